"""Questions about usage. Every one of them names the project it asks about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Avg, Count, Q, QuerySet, Sum
from django.db.models.functions import TruncDay, TruncHour, TruncMinute

from usage.models import UsageRecord
from usage.rules import Cursor

if TYPE_CHECKING:
    from projects.models import Project

PAGE = 50


@dataclass(frozen=True, slots=True)
class Filter:
    """Which of a project's records are meant; empty fields mean all."""

    since: datetime | None = None
    until: datetime | None = None
    endpoint: str = ""
    key_id: str = ""
    model: str = ""
    failed_only: bool = False


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over records."""

    requests: int
    failures: int
    tokens_in: int
    tokens_out: int
    tokens_cached: int
    ttft_p95_ms: float | None
    latency_avg_ms: float | None


@dataclass(frozen=True, slots=True)
class Point:
    """One step of a time series."""

    at: datetime
    requests: int
    failures: int
    tokens_in: int
    tokens_out: int


class Percentile95(models.Aggregate):
    """PostgreSQL's ``percentile_cont(0.95)`` of a column."""

    function = "percentile_cont"
    name = "percentile95"
    output_field = models.FloatField()
    template = "%(function)s(0.95) WITHIN GROUP (ORDER BY %(expressions)s)"


_STEPS: dict[str, Any] = {"minute": TruncMinute, "hour": TruncHour, "day": TruncDay}
_FAILED = Q(status__gte=400) | ~Q(ending="complete") & ~Q(ending="caller_left")


def records(*, project: Project, wanted: Filter) -> QuerySet[UsageRecord]:
    """Return the records of a project that a filter means, newest first."""
    rows = UsageRecord.objects.filter(project=project)
    if wanted.since:
        rows = rows.filter(started_at__gte=wanted.since)
    if wanted.until:
        rows = rows.filter(started_at__lt=wanted.until)
    for column in ("endpoint", "key_id", "model"):
        value = getattr(wanted, column)
        if value:
            rows = rows.filter(**{column: value})
    if wanted.failed_only:
        rows = rows.filter(_FAILED)
    return rows.order_by("-started_at", "-request_id")


def page(
    *, project: Project, wanted: Filter, after: Cursor | None = None, limit: int = PAGE
) -> tuple[list[UsageRecord], Cursor | None]:
    """Return one page of records, and where the next one starts if there is one.

    Paged by key, never by offset: as fast on the last page as on the first.
    """
    rows = records(project=project, wanted=wanted)
    if after is not None:
        rows = rows.filter(
            Q(started_at__lt=after.started_at)
            | Q(started_at=after.started_at, request_id__lt=after.request_id)
        )
    found = list(rows[: limit + 1])
    if len(found) <= limit:
        return found, None
    last = found[limit - 1]
    return found[:limit], Cursor(last.started_at, last.request_id)


def totals(*, project: Project, wanted: Filter) -> Totals:
    """Return the sums over the records a filter means."""
    sums = records(project=project, wanted=wanted).aggregate(
        requests=Count("request_id"),
        failures=Count("request_id", filter=_FAILED),
        tokens_in=Sum("tokens_in", default=0),
        tokens_out=Sum("tokens_out", default=0),
        tokens_cached=Sum("tokens_cached", default=0),
        ttft_p95_ms=Percentile95("ttft_ms"),
        latency_avg_ms=Avg("latency_ms"),
    )
    return Totals(**sums)


def series(*, project: Project, wanted: Filter, step: str) -> list[Point]:
    """Return a time series by ``minute``, ``hour`` or ``day``; empty steps are absent."""
    rows = (
        records(project=project, wanted=wanted)
        .order_by()
        .annotate(at=_STEPS[step]("started_at"))
        .values("at")
        .annotate(
            requests=Count("request_id"),
            failures=Count("request_id", filter=_FAILED),
            sum_in=Sum("tokens_in", default=0),
            sum_out=Sum("tokens_out", default=0),
        )
        .order_by("at")
    )
    return [
        Point(row["at"], row["requests"], row["failures"], row["sum_in"], row["sum_out"])
        for row in rows
    ]


def has_any(*, project: Project) -> bool:
    """Say whether a project ever made a request."""
    return UsageRecord.objects.filter(project=project).exists()
