"""What a project used: sums, a chart, and one row a request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import reverse
from django.views.decorators.http import require_GET

from apikeys import selectors as apikeys
from common import clock
from dashboard.shell import charts
from dashboard.shell.contexts import Chip, Crumb, Shell, crumbs_to, shell_for
from dashboard.shell.door import project_page, show
from dashboard.usage.refusals import Refused, RefusedRow, refused_by_step, refused_of, refused_row
from dashboard.usage.rows import RecordRow, record_rows
from usage import refused, rules, selectors

if TYPE_CHECKING:
    from projects.access import Seat
    from projects.models import Project
    from usage.models import RefusedCall, UsageRecord

PAGE = 50
REFUSED = 20
ID_MAX = 32
MODEL_MAX = 80


@dataclass(frozen=True, slots=True)
class UsagePage:
    """The records a filter means, their sums, and where more of them are."""

    shell: Shell
    crumbs: tuple[Crumb, ...]
    ranges: tuple[Chip, ...]
    range_name: str
    endpoint: str
    key: str
    model: str
    names_url: str
    failed_only: bool
    is_filtered: bool
    has_any: bool
    totals: selectors.Totals
    chart: charts.Chart
    records: tuple[RecordRow, ...]
    more_url: str
    clear_url: str
    export_url: str
    refused: Refused
    refusals: tuple[RefusedRow, ...]
    asked_for: str


@require_GET
@project_page()
def usage(request: HttpRequest, seat: Seat) -> HttpResponse:
    """Show sums, the chart and the records of a range, newest first."""
    project, now, said = seat.project, clock.now(), request.GET
    choice = charts.range_named(said.get("range", ""))
    wanted = _filter(project, said, charts.steps_of(choice, now)[0])
    name = said.get("q", "").strip()[:128]
    found, further, refusals = _found(project, wanted, name, said.get("after", ""))
    key_names = apikeys.names_of(project=project, public_ids={call.key_id for call in refusals})
    base = reverse("project:usage", args=[project.public_id])
    kept = {name: said.get(name, "") for name in ("endpoint", "key", "model", "failed")}
    context = UsagePage(
        shell=shell_for(seat, "usage"),
        crumbs=crumbs_to(seat),
        ranges=_ranges(base, choice, kept),
        range_name=choice.name,
        endpoint=wanted.endpoint,
        key=said.get("key", ""),
        model=wanted.model,
        names_url=reverse("project:names", args=[project.public_id]),
        failed_only=wanted.failed_only,
        is_filtered=any(kept.values()),
        has_any=bool(found or refusals or name) or selectors.has_any(project=project),
        totals=selectors.totals(project=project, wanted=wanted),
        chart=_chart(project, wanted, choice, now),
        records=record_rows(project, found),
        more_url=_url(base, {**kept, "range": choice.name, "after": further.text()})
        if further
        else "",
        clear_url=_url(base, {"range": choice.name}),
        export_url=_export_url(project, wanted),
        refused=refused_of(refused.counts(project=project, wanted=wanted)),
        refusals=tuple(refused_row(call, key_names) for call in refusals),
        asked_for=name,
    )
    return show(request, "dashboard/usage/usage.html", context)


def _found(
    project: Project, wanted: selectors.Filter, name: str, after: str
) -> tuple[list[UsageRecord], rules.Cursor | None, list[RefusedCall]]:
    """Return what a page lists: the requests of an id, or a page of those a filter means."""
    if name:
        records, refusals = refused.requests_named(project=project, name=name)
        return records, None, refusals
    cursor = rules.cursor_from(after)
    records, further = selectors.page(project=project, wanted=wanted, after=cursor, limit=PAGE)
    latest = refused.latest(project=project, wanted=wanted, limit=REFUSED) if not after else []
    return records, further, latest


def _filter(project: Project, said: QueryDict, since: datetime) -> selectors.Filter:
    return selectors.Filter(
        since=since,
        endpoint=said.get("endpoint", ""),
        key_id=_key_id(project, said.get("key", "")),
        model=said.get("model", "").replace("\x00", "")[:MODEL_MAX],
        failed_only=said.get("failed") == "1",
    )


def _export_url(project: Project, wanted: selectors.Filter) -> str:
    """Return where all records that a filter means come as one file."""
    said = {
        "format": "csv",
        "since": wanted.since.isoformat() if wanted.since else "",
        "endpoint": wanted.endpoint,
        "key_id": wanted.key_id,
        "model": wanted.model,
        "failed_only": "true" if wanted.failed_only else "",
    }
    return _url(f"/{project.public_id}/v1/usage/export", said)


def _key_id(project: Project, said: str) -> str:
    """Return the id of the key that is named by its id or its name; of none, what was said."""
    if not said or said.startswith("key_"):
        return said
    found = apikeys.keys_of(project=project).filter(name=said).first()
    return found.public_id if found else said[:ID_MAX]


def _url(base: str, said: dict[str, str]) -> str:
    return f"{base}?{urlencode({name: value for name, value in said.items() if value})}"


def _ranges(base: str, choice: charts.Range, kept: dict[str, str]) -> tuple[Chip, ...]:
    return tuple(
        Chip(one.label, _url(base, {"range": one.name, **kept}), one == choice)
        for one in charts.RANGES
    )


def _chart(
    project: Project, wanted: selectors.Filter, choice: charts.Range, now: datetime
) -> charts.Chart:
    points = selectors.series(project=project, wanted=wanted, step=choice.step)
    return charts.chart_of(
        "usage-chart",
        "Requests over time",
        charts.steps_of(choice, now),
        (
            charts.Line("Requests", "main", {point.at: point.requests for point in points}),
            charts.Line("Failed", "bad", {point.at: point.failures for point in points}),
            charts.Line("Refused", "refused", refused_by_step(project, wanted, choice)),
        ),
    )
