"""Load the tiers and models we ship."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from catalog import services


class Command(BaseCommand):
    """``manage.py load_defaults``: idempotent; what operators changed stays."""

    help = "Add the tiers and models we ship, where they are missing."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Load and say how many were new."""
        tiers, models = services.load_defaults()
        self.stdout.write(f"{tiers} tiers and {models} models added.")
