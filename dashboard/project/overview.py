"""A project at a glance: figures, a chart, the latest requests, and what to do next."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_GET

from apikeys import selectors as apikeys
from common import clock
from dashboard.endpoints.rows import EndpointRow, endpoint_rows
from dashboard.money.rows import BudgetRow, fullest_budgets
from dashboard.shell import charts
from dashboard.shell.contexts import Chip, Shell, shell_for
from dashboard.shell.door import project_page, show
from dashboard.usage.refusals import Refused, refused_by_step, refused_of
from dashboard.usage.rows import RecordRow, record_rows
from endpoints import selectors as endpoints
from usage import live, refused
from usage import selectors as usage
from usage.live import Allowance

if TYPE_CHECKING:
    from projects.access import Seat
    from projects.models import Project

LATEST = 8
ENDPOINTS = 5
"""How many endpoints are named here; all of them have a page of their own."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of getting started."""

    title: str
    text: str
    url: str
    is_done: bool
    is_next: bool = False


@dataclass(frozen=True, slots=True)
class Overview:
    """The first page of a project."""

    shell: Shell
    ranges: tuple[Chip, ...]
    totals: usage.Totals
    before: usage.Totals
    chart: charts.Chart
    has_requests: bool
    records: tuple[RecordRow, ...]
    endpoints: tuple[EndpointRow, ...]
    steps: tuple[Step, ...]
    notices: tuple[BudgetRow, ...]
    refused: Refused
    allowances: tuple[Allowance, ...]

    @property
    def is_started(self) -> bool:
        """Say whether every step of getting started is done."""
        return all(step.is_done for step in self.steps)

    @property
    def in_trouble(self) -> tuple[EndpointRow, ...]:
        """Return the endpoints that refuse everything, though nobody paused them."""
        return tuple(row for row in self.endpoints if row.state.tone == "bad")

    @property
    def change_percent(self) -> float | None:
        """Return by how much the requests grew on the range before; none without one."""
        if not self.before.requests:
            return None
        return 100 * (self.totals.requests - self.before.requests) / self.before.requests

    @property
    def error_percent(self) -> float | None:
        """Return the share of requests that failed; none if there were none."""
        if not self.totals.requests:
            return None
        return 100 * self.totals.failures / self.totals.requests


@require_GET
@project_page()
def overview(request: HttpRequest, seat: Seat) -> HttpResponse:
    """Show a project at a glance."""
    project, now = seat.project, clock.now()
    choice = charts.range_named(request.GET.get("range", ""))
    begin = charts.steps_of(choice, now)[0]
    this, before = _spans(begin, choice.length)
    lately, _ = usage.page(project=project, wanted=usage.Filter(), limit=LATEST)
    newest = endpoints.endpoints_of(project=project)[:ENDPOINTS]
    rows = endpoint_rows(project, list(newest))
    has_key = apikeys.has_any(project=project)
    refusals = refused_of(refused.counts(project=project, wanted=this))
    context = Overview(
        shell=shell_for(seat, "overview"),
        ranges=ranges_of(choice, reverse("project:overview", args=[project.public_id])),
        totals=usage.totals(project=project, wanted=this),
        before=usage.totals(project=project, wanted=before),
        chart=_chart(project, choice, now, (this, before)),
        has_requests=bool(lately) or refusals.total > 0,
        records=record_rows(project, lately),
        endpoints=rows,
        steps=_steps(project, rows, has_key=has_key, has_request=bool(lately)),
        notices=tuple(row for row in fullest_budgets(seat) if row.reached),
        refused=refusals,
        allowances=tuple(live.allowances(project=project)),
    )
    return show(request, "dashboard/project/overview.html", context)


def ranges_of(choice: charts.Range, url: str, rest: str = "") -> tuple[Chip, ...]:
    """Return the ranges of time as choices in the URL."""
    return tuple(
        Chip(one.label, f"{url}?range={one.name}{rest}", one == choice) for one in charts.RANGES
    )


def _spans(begin: datetime, length: timedelta) -> tuple[usage.Filter, usage.Filter]:
    return usage.Filter(since=begin), usage.Filter(since=begin - length, until=begin)


def _chart(
    project: Project,
    choice: charts.Range,
    now: datetime,
    spans: tuple[usage.Filter, usage.Filter],
) -> charts.Chart:
    this, before = (
        {
            point.at: point.requests
            for point in usage.series(project=project, wanted=span, step=choice.step)
        }
        for span in spans
    )
    shifted = {moment + choice.length: count for moment, count in before.items()}
    return charts.chart_of(
        "requests-chart",
        "Requests over time",
        charts.steps_of(choice, now),
        (
            charts.Line("Requests", "main", this),
            charts.Line("Refused", "refused", refused_by_step(project, spans[0], choice)),
            charts.Line(f"{choice.label} before", "previous", shifted),
        ),
    )


def _steps(
    project: Project, rows: tuple[EndpointRow, ...], *, has_key: bool, has_request: bool
) -> tuple[Step, ...]:
    create = reverse("project:new-endpoint", args=[project.public_id])
    keys = reverse("project:new-key", args=[project.public_id])
    first = rows[0].url if rows else create
    steps = (
        Step("Create an endpoint", "Choose a model and a tier; get a URL.", create, bool(rows)),
        Step("Create a key", "It is shown once, so have a place for it.", keys, has_key),
        Step("Make the first request", "Paste a snippet from the endpoint.", first, has_request),
    )
    following = next((step for step in steps if not step.is_done), None)
    return tuple(replace(step, is_next=step is following) for step in steps)
