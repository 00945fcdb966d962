"""Questions about usage. Every one of them names the project it asks about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Aggregate, Avg, Count, Max, Q, QuerySet, Sum
from django.db.models.functions import Trunc

from common import clock
from ledger import selectors as ledger
from ledger.selectors import Account
from usage import rules
from usage.models import Budget, BudgetScope, UsageRecord, UsageRollup
from usage.rules import Cursor, Grain

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
    left_early: int
    tokens_in: int
    tokens_out: int
    tokens_cached: int
    cost: int
    ttft_p50_ms: float | None
    ttft_p95_ms: float | None
    ttft_p99_ms: float | None
    latency_avg_ms: float | None


@dataclass(frozen=True, slots=True)
class Point:
    """One step of a time series."""

    at: datetime
    requests: int
    failures: int
    tokens_in: int
    tokens_out: int
    cost: int = 0


@dataclass(frozen=True, slots=True)
class Lately:
    """What an endpoint did in a stretch of time; ``last_at`` is the hour of its last request."""

    requests: int
    failures: int
    last_at: datetime

    @property
    def error_percent(self) -> float:
        """Return the share of its requests that failed."""
        return 100 * self.failures / self.requests if self.requests else 0.0


class Percentile(models.Aggregate):
    """PostgreSQL's ``percentile_cont`` of a column: ``Percentile("ttft_ms", at=0.95)``."""

    function = "percentile_cont"
    name = "percentile"
    output_field = models.FloatField()
    template = "%(function)s(%(at)s) WITHIN GROUP (ORDER BY %(expressions)s)"


_TTFT = {
    f"ttft_p{percent}_ms": Percentile("ttft_ms", at=percent / 100, filter=Q(streamed=True))
    for percent in (50, 95, 99)
}
"""Of streams only: any other answer has no first token, only an end."""
TIMES_FOR = timedelta(days=7)
"""How far back the times of answers are looked at: percentiles can't be summed."""


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
        rows = rows.filter(rules.FAILED_Q)
    return rows.order_by("-started_at", "-request_id")


def page(
    *, project: Project, wanted: Filter, after: Cursor | None = None, limit: int = PAGE
) -> tuple[list[UsageRecord], Cursor | None]:
    """Return one page of records, and where the next one starts if there is one.

    Paged by key, never by offset: as fast on the last page as on the first.
    """
    rows = records(project=project, wanted=wanted)
    if after is not None:
        # The first condition is implied by the second, and is one the index can begin at.
        rows = rows.filter(
            Q(started_at__lt=after.started_at)
            | Q(started_at=after.started_at, request_id__lt=after.request_id),
            started_at__lte=after.started_at,
        )
    found = list(rows[: limit + 1])
    if len(found) <= limit:
        return found, None
    last = found[limit - 1]
    return found[:limit], Cursor(last.started_at, last.request_id)


def totals(*, project: Project, wanted: Filter) -> Totals:
    """Return the sums over the records a filter means.

    Sums come from the rollups, so ``since`` and ``until`` are widened to whole steps; the
    times of answers come from the records of at most the last week.
    """
    sums = _summed(project, wanted).aggregate(
        **_counts(wanted),
        sum_in=Sum("tokens_in", default=0),
        sum_out=Sum("tokens_out", default=0),
        sum_cached=Sum("tokens_cached", default=0),
        sum_cost=Sum("cost", default=0),
    )
    recent = replace(wanted, since=max(wanted.since or rules.EVER, clock.now() - TIMES_FOR))
    times = (
        records(project=project, wanted=recent)
        .order_by()
        .aggregate(**_TTFT, latency_avg_ms=Avg("latency_ms"))
    )
    return Totals(
        requests=sums["sum_requests"],
        failures=sums["sum_failures"],
        left_early=sums["sum_left"],
        tokens_in=sums["sum_in"],
        tokens_out=sums["sum_out"],
        tokens_cached=sums["sum_cached"],
        cost=sums["sum_cost"],
        **times,
    )


def series(*, project: Project, wanted: Filter, step: str) -> list[Point]:
    """Return a time series by ``minute``, ``hour`` or ``day``; empty steps are absent."""
    rows = (
        _steps(project, wanted, Grain(step))
        .values("at")
        .annotate(
            **_counts(wanted),
            sum_in=Sum("tokens_in"),
            sum_out=Sum("tokens_out"),
            sum_cost=Sum("cost"),
        )
        .order_by("at")
    )
    return [
        Point(
            at=row["at"],
            requests=row["sum_requests"],
            failures=row["sum_failures"],
            tokens_in=row["sum_in"],
            tokens_out=row["sum_out"],
            cost=row["sum_cost"],
        )
        for row in rows
    ]


def cost_since(
    *, project: Project, since: datetime, scope: str = "project", subject_id: str = ""
) -> int:
    """Return what a project, or an endpoint or key of it, has cost since a day began."""
    rows = _rollups(project, Filter(since=since), Grain.DAY)
    if scope == BudgetScope.ENDPOINT:
        rows = rows.filter(endpoint_id=subject_id)
    elif scope == BudgetScope.KEY:
        rows = rows.filter(key_id=subject_id)
    cost: int = rows.aggregate(cost=Sum("cost", default=0))["cost"]
    return cost


def account_of(*, project: Project) -> Account:
    """Return where a project's money stands, what it spent taken from the sums of its days.

    They are written with the charges, and ``manage.py reconcile`` compares them.
    """
    granted = ledger.granted_to(project=project)
    return Account(granted.amount, cost_since(project=project, since=rules.EVER), granted.sequence)


def budgets_of(*, project: Project) -> QuerySet[Budget]:
    """Return a project's live budgets, newest first."""
    return Budget.objects.filter(project=project, ended_at=None).order_by("-pk")


def budget_of(*, project: Project, public_id: str) -> Budget | None:
    """Return one live budget of a project."""
    return Budget.objects.filter(project=project, public_id=public_id, ended_at=None).first()


def _counts(wanted: Filter) -> dict[str, Aggregate]:
    if wanted.failed_only:
        every, none = Count("request_id"), Count("request_id", filter=Q(ending=rules.LEFT))
        return {"sum_requests": every, "sum_failures": every, "sum_left": none}
    return {
        "sum_requests": Sum("requests", default=0),
        "sum_failures": Sum("failures", default=0),
        "sum_left": Sum("left_early", default=0),
    }


def _steps(project: Project, wanted: Filter, grain: Grain) -> Any:
    """Return what is summed: rollups, or the records themselves where only failures count.

    A rollup says how many of its requests failed, but not what those used. Both have the
    columns of tokens and cost, and ``at``, under the same names.
    """
    if not wanted.failed_only:
        return _rollups(project, wanted, grain)
    rows = records(project=project, wanted=wanted).order_by()
    return rows.annotate(at=Trunc("started_at", grain.value, tzinfo=UTC))


def _summed(project: Project, wanted: Filter) -> Any:
    now = clock.now()
    grain = rules.grain_for(wanted.since or rules.EVER, wanted.until or now, now)
    return _steps(project, wanted, grain)


def _rollups(project: Project, wanted: Filter, grain: Grain) -> QuerySet[UsageRollup]:
    rows = UsageRollup.objects.filter(project=project, grain=grain).order_by()
    if wanted.since:
        rows = rows.filter(at__gte=rules.floor(wanted.since, grain))
    if wanted.until:
        rows = rows.filter(at__lt=wanted.until)
    for column in ("endpoint", "key_id", "model"):
        value = getattr(wanted, column)
        if value:
            rows = rows.filter(**{column: value})
    return rows


def has_any(*, project: Project) -> bool:
    """Say whether a project ever made a request."""
    return UsageRecord.objects.filter(project=project).exists()


def lately(*, project: Project, slugs: Sequence[str], since: datetime) -> dict[str, Lately]:
    """Return what these endpoints did since then, by slug; those without a request are absent."""
    rows = _rollups(project, Filter(since=since), Grain.HOUR).filter(endpoint__in=slugs)
    summed = rows.values("endpoint").annotate(
        sum_requests=Sum("requests"), sum_failures=Sum("failures"), last_at=Max("at")
    )
    return {
        row["endpoint"]: Lately(row["sum_requests"], row["sum_failures"], row["last_at"])
        for row in summed
    }


def record_of(*, project: Project, request_id: str) -> UsageRecord | None:
    """Return one request of a project by our id, or the newest by the id its caller gave it."""
    rows = UsageRecord.objects.filter(project=project)
    ours = rows.filter(request_id=request_id).first()
    if ours is not None:
        return ours
    return rows.filter(caller_request_id=request_id).order_by("-started_at").first()
