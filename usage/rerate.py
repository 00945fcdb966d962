"""Bill a period again under corrected prices: the difference becomes an adjustment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from catalog.models import TierTerms
from common.actor import SYSTEM, Actor
from inference.contracts.money import cost_of
from ledger import services as ledger
from ledger.models import LedgerEntry
from projects.models import Project
from usage.models import UsageRecord


@dataclass(frozen=True, slots=True)
class Difference:
    """What a project was billed in a period, and what it should have been."""

    project: Project
    billed: int
    corrected: int

    @property
    def reference(self) -> str:
        """Name the correction, so that running it twice moves money once."""
        return f"rerate:{self.project.public_id}"

    @property
    def due(self) -> int:
        """What the project gets back (or, negative, still owes)."""
        return self.billed - self.corrected


def differences(
    tier: str, terms: TierTerms, since: datetime, until: datetime
) -> Iterator[Difference]:
    """Yield what the requests of a tier would have cost on other terms, by project."""
    rows = UsageRecord.objects.filter(tier=tier, started_at__gte=since, started_at__lt=until)
    for project in Project.objects.filter(pk__in=rows.values("project_id").distinct()):
        billed = corrected = 0
        for record in rows.filter(project=project).iterator(chunk_size=5000):
            billed += record.cost
            corrected += _cost(record, terms)
        yield Difference(project, billed, corrected)


def apply(difference: Difference, *, label: str, by: Actor = SYSTEM) -> LedgerEntry | None:
    """Write the correction; nothing if there is nothing to correct or it was written before.

    ``label`` names the period and the terms: the same label corrects once.
    """
    if not difference.due:
        return None
    with transaction.atomic():
        return ledger.adjust(
            project=difference.project,
            amount=difference.due,
            note=f"Prices corrected: {label}",
            reference=f"{difference.reference}:{label}"[:120],
            by=by,
        )


def _cost(record: UsageRecord, terms: TierTerms) -> int:
    return cost_of(
        record.tokens_in,
        record.tokens_out,
        record.tokens_cached,
        price_per_million=terms.price_per_million,
        cached_percent=terms.cached_percent,
    )
