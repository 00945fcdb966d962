"""The app's name card."""

from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class ProjectsConfig(AppConfig):
    """Register the app under its own name."""

    name = "projects"

    def ready(self) -> None:
        """Hear of addresses that were proved."""
        # Models can be imported only now.
        from accounts import departures  # noqa: PLC0415
        from projects import (  # noqa: F401, PLC0415 - importing connects the first
            adapter,
            invitations,
            isolation,
        )

        departures.also(invitations.withdraw)
        # Ours, because nobody emits it but with all migrations applied.
        post_migrate.connect(isolation.raise_all, sender=self)
