"""The app's name card."""

from __future__ import annotations

from django.apps import AppConfig


class UsageConfig(AppConfig):
    """Register the app under its own name, and as who knows how endpoints stand."""

    name = "usage"

    def ready(self) -> None:
        """Tell the app below, which can't ask."""
        from endpoints import live  # noqa: PLC0415 - models are loaded only now
        from usage.live import states_of  # noqa: PLC0415

        live.tell_by(states_of)
