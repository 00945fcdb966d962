"""The app's name card."""

from __future__ import annotations

from django.apps import AppConfig


class RoutingConfig(AppConfig):
    """Register the app under its own name."""

    name = "routing"
    verbose_name = "Routing"
