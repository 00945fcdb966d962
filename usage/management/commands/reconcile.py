"""Compare the books."""

from __future__ import annotations

import sys
from datetime import UTC, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from common import clock
from usage import reconcile, rules


class Command(BaseCommand):
    """``manage.py reconcile [--since DAY] [--until DAY]``: exit status 1 if anything differs."""

    help = "Compare records, ledger, rollups and shown totals by project and day."

    def add_arguments(self, parser: CommandParser) -> None:
        """Describe the period."""
        parser.add_argument("--since", type=rules.day, help="first UTC day (31 days ago)")
        parser.add_argument("--until", type=rules.day, help="first UTC day after (tomorrow)")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Print every difference, or that there is none."""
        today = clock.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        since = options["since"] or today - timedelta(days=31)
        until = options["until"] or today + timedelta(days=1)
        days = list(reconcile.days(since, until))
        found = [line for day in days for line in day.differences()]
        for line in found:
            self.stdout.write(line)
        self.stdout.write(f"{len(days)} project days compared, {len(found)} differences.")
        if found:
            sys.exit(1)
