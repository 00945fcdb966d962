"""Rebuild the rollups."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from usage import rollups, rules


class Command(BaseCommand):
    """``manage.py rollups --since DAY --until DAY``: sums are derived, so this is always safe."""

    help = "Sum the usage records of whole UTC days anew."

    def add_arguments(self, parser: CommandParser) -> None:
        """Describe the period."""
        parser.add_argument("--since", type=rules.day, required=True)
        parser.add_argument("--until", type=rules.day, required=True)

    def handle(self, *_args: Any, **options: Any) -> None:
        """Rebuild and say how many sums there are."""
        made = rollups.rebuild(options["since"], options["until"])
        self.stdout.write(f"{made} sums were made.")
