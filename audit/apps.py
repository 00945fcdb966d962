"""The app's name card."""

from __future__ import annotations

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """Register the app under its own name."""

    name = "audit"
    verbose_name = "audit log"
