"""Which movements there are."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from django.db.models import TextChoices


class EntryKind(TextChoices):
    """Why money moved. ``charge`` and ``amend`` come from usage, the others from people."""

    TOP_UP = "top_up", "Top-up"
    CHARGE = "charge", "Charge"
    AMEND = "amend", "Correction of an estimated charge"
    REFUND = "refund", "Refund"
    ADJUSTMENT = "adjustment", "Adjustment"
    AGENT_HOURS = "agent_hours", "Agent-hours"


SPENT = (EntryKind.CHARGE, EntryKind.AMEND)
"""Kinds that the data plane counts itself as it settles; all others are what was granted."""


HOUR = timedelta(hours=1)


def started_hours(
    began: datetime, end: datetime, billed_until: datetime | None = None
) -> Iterator[datetime]:
    """Yield the UTC hours that a time from ``began`` to ``end`` touches and that are not billed.

    An hour that was begun is a whole one, also if the time ended at once.
    """
    first = began.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    hour = first if billed_until is None else max(first, billed_until)
    while hour < end or hour == first:
        yield hour
        hour += HOUR
