"""The app's name card."""

from __future__ import annotations

from django.apps import AppConfig


class CommonConfig(AppConfig):
    """Register the app under its own name."""

    name = "common"

    def ready(self) -> None:
        """Look at the database's role whenever databases are checked, as ``migrate`` does."""
        # Models can be imported only now.
        from common import checks  # noqa: F401, PLC0415 - importing registers it
