"""Questions about requests that were refused. Every one of them names the project."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.db.models import Q, QuerySet, Sum

from common import clock
from usage import rules
from usage.models import RefusalRollup, RefusedCall, UsageRecord
from usage.rules import Grain

if TYPE_CHECKING:
    from projects.models import Project
    from usage.selectors import Filter


FOUND_MAX = 50


@dataclass(frozen=True, slots=True)
class Count:
    """How often something was refused with one code."""

    code: str
    count: int


@dataclass(frozen=True, slots=True)
class RefusedPoint:
    """How often requests were refused with one code in one step."""

    at: datetime
    code: str
    count: int


def counts(*, project: Project, wanted: Filter, code: str = "") -> list[Count]:
    """Return how often each code was refused in the time a filter means, most often first."""
    now = clock.now()
    since, until = wanted.since or rules.EVER, wanted.until or now
    rows = _rollups(project, wanted, rules.grain_for(since, until, now), code)
    found = rows.values("code").annotate(total=Sum("count")).order_by("-total", "code")
    return [Count(row["code"], row["total"]) for row in found]


def by_endpoint(*, project: Project, since: datetime) -> dict[str, list[Count]]:
    """Return for each endpoint that refused something since then what it was, and how often."""
    rows = RefusalRollup.objects.filter(
        project=project, grain=Grain.MINUTE, at__gte=rules.floor(since, Grain.MINUTE)
    ).exclude(endpoint="")
    found: dict[str, list[Count]] = {}
    summed = rows.order_by().values("endpoint", "code").annotate(total=Sum("count"))
    for row in summed.order_by("-total", "code"):
        found.setdefault(row["endpoint"], []).append(Count(row["code"], row["total"]))
    return found


def series(*, project: Project, wanted: Filter, step: str, code: str = "") -> list[RefusedPoint]:
    """Return counts by step and code; steps without a refusal are absent."""
    rows = _rollups(project, wanted, Grain(step), code)
    found = rows.values("at", "code").annotate(total=Sum("count")).order_by("at", "code")
    return [RefusedPoint(row["at"], row["code"], row["total"]) for row in found]


def latest(
    *, project: Project, wanted: Filter, code: str = "", limit: int = 50
) -> list[RefusedCall]:
    """Return the last refused requests a filter means, newest first. Not all are kept."""
    rows = RefusedCall.objects.filter(project=project)
    if wanted.since:
        rows = rows.filter(at__gte=wanted.since)
    if wanted.until:
        rows = rows.filter(at__lt=wanted.until)
    said = {"endpoint": wanted.endpoint, "key_id": wanted.key_id, "code": code}
    return list(rows.filter(**{name: word for name, word in said.items() if word})[:limit])


def requests_named(*, project: Project, name: str) -> tuple[list[UsageRecord], list[RefusedCall]]:
    """Return the requests with this id, ours or the caller's own: admitted and refused ones."""
    records = UsageRecord.objects.filter(rules.named(name), project=project)
    refusals = RefusedCall.objects.filter(
        Q(request_id=name) | Q(caller_request_id=name), project=project
    )
    return list(records.order_by("-started_at", "-request_id")[:FOUND_MAX]), list(
        refusals[:FOUND_MAX]
    )


def _rollups(project: Project, wanted: Filter, grain: Grain, code: str) -> QuerySet[RefusalRollup]:
    rows = RefusalRollup.objects.filter(project=project, grain=grain).order_by()
    if wanted.since:
        rows = rows.filter(at__gte=rules.floor(wanted.since, grain))
    if wanted.until:
        rows = rows.filter(at__lt=wanted.until)
    said = {"endpoint": wanted.endpoint, "key_id": wanted.key_id, "code": code}
    return rows.filter(**{name: word for name, word in said.items() if word})
