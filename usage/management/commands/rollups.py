"""Rebuild the rollups."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from usage import rollups


class Command(BaseCommand):
    """``manage.py rollups --since DAY --until DAY``: sums are derived, so this is always safe."""

    help = "Sum the usage records of whole UTC days anew."

    def add_arguments(self, parser: CommandParser) -> None:
        """Describe the period."""
        parser.add_argument("--since", type=_day, required=True)
        parser.add_argument("--until", type=_day, required=True)

    def handle(self, *_args: Any, **options: Any) -> None:
        """Rebuild and say how many sums there are."""
        made = rollups.rebuild(options["since"], options["until"])
        self.stdout.write(f"{made} sums were made.")


def _day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
