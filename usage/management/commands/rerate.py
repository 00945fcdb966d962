"""Bill a period again."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from catalog.models import TierTerms
from common.money import money
from usage import rerate, rules


class Command(BaseCommand):
    """``manage.py rerate TIER TERMS --since DAY --until DAY [--write]``."""

    help = "Recompute a period of a tier under other terms; --write makes adjustment entries."

    def add_arguments(self, parser: CommandParser) -> None:
        """Describe the period and the terms."""
        parser.add_argument("tier")
        parser.add_argument("terms", type=int, help="number of the terms that should have held")
        parser.add_argument("--since", type=rules.day, required=True)
        parser.add_argument("--until", type=rules.day, required=True)
        parser.add_argument("--write", action="store_true", help="otherwise only print")

    def handle(self, *_args: Any, tier: str, **options: Any) -> None:
        """Print each project's difference, and write it if asked."""
        terms = TierTerms.objects.filter(tier__slug=tier, number=options["terms"]).first()
        if terms is None:
            raise CommandError(f"The tier {tier!r} has no terms {options['terms']}.")
        since, until = options["since"], options["until"]
        label = f"{tier} v{terms.number} {since:%Y-%m-%d}..{until:%Y-%m-%d}"
        for found in rerate.differences(tier, terms, since, until):
            self.stdout.write(
                f"{found.project.public_id}: billed {money(found.billed)}, "
                f"corrected {money(found.corrected)}, due {money(found.due)}"
            )
            if options["write"]:
                rerate.apply(found, label=label)
