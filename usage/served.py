"""What machines did, hour by hour: told by the records of the requests they served."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.db.models import Count, Q, Sum
from django.db.models.functions import TruncHour

from usage import rules
from usage.models import UsageRecord

if TYPE_CHECKING:
    from projects.models import Project


@dataclass(frozen=True, slots=True)
class Hour:
    """What was asked of some workers in an hour; ``busy_s``: how long all of it took together."""

    at: datetime
    requests: int
    failures: int
    tokens_in: int
    tokens_out: int
    busy_s: float


def hours_of(*, project: Project, workers: Collection[str], since: datetime) -> list[Hour]:
    """Return the hours in which workers (ids) served a project; those without are absent."""
    wanted = Q(project=project, started_at__gte=since, worker_id__in=workers)
    rows = (
        UsageRecord.objects.filter(wanted)
        .values(hour=TruncHour("started_at"))
        .annotate(
            count=Count("pk"),
            failed=Count("pk", filter=rules.FAILED_Q),
            read=Sum("tokens_in"),
            written=Sum("tokens_out"),
            took_ms=Sum("latency_ms"),
        )
        .order_by("hour")
    )
    return [
        Hour(
            at=row["hour"],
            requests=row["count"],
            failures=row["failed"],
            tokens_in=row["read"],
            tokens_out=row["written"],
            busy_s=row["took_ms"] / 1000,
        )
        for row in rows
    ]
