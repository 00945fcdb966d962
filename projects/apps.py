"""The app's name card."""

from __future__ import annotations

from django.apps import AppConfig


class ProjectsConfig(AppConfig):
    """Register the app under its own name."""

    name = "projects"

    def ready(self) -> None:
        """Hear of addresses that were proved."""
        # Models can be imported only now.
        from projects import adapter  # noqa: F401, PLC0415 - importing it connects it
