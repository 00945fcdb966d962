"""The composition root as an app: it brings the checks of the settings."""

from __future__ import annotations

from django.apps import AppConfig


class SiteConfig(AppConfig):
    """Register the app, and with it what it checks."""

    name = "xerotier_site"

    def ready(self) -> None:
        """Register the checks; they read settings, which are there only now."""
        from xerotier_site import checks  # noqa: F401, PLC0415
