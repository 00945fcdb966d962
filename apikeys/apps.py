"""The app's name card."""

from __future__ import annotations

from django.apps import AppConfig


class ApiKeysConfig(AppConfig):
    """Register the app under its own name."""

    name = "apikeys"

    def ready(self) -> None:
        """Say that keys end with whoever made them."""
        # Models can be imported only now.
        from accounts import departures  # noqa: PLC0415
        from apikeys import holders  # noqa: PLC0415

        departures.also(holders.end_keys)
