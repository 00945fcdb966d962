"""Endpoints: the list, the page of one, its pause and its end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from apikeys import selectors as apikeys
from common import clock
from dashboard.catalog.cards import TierCard, tier_card
from dashboard.endpoints.rows import EndpointRow, endpoint_row, endpoint_rows
from dashboard.examples.snippets import PLACEHOLDER, Snippet, snippets_for
from dashboard.keys.rows import KeyRow, key_row
from dashboard.shell.confirm import Confirmation, confirm
from dashboard.shell.contexts import Crumb, Shell, crumbs_to, may, may_change, shell_for
from dashboard.shell.door import action, project_page, show
from dashboard.shell.lists import Finder, asked, part_of
from dashboard.usage.refusals import Refused, refused_of
from dashboard.usage.rows import RecordRow, record_rows
from endpoints import rules, selectors, services
from endpoints.errors import EndpointUnknown
from projects.rules import Role
from usage import live, refused
from usage import selectors as usage
from usage.selectors import Filter

if TYPE_CHECKING:
    from endpoints.models import Endpoint
    from projects.access import Seat

LATEST = 10
LATELY = timedelta(hours=24)
KEYS_SHOWN = 6
STATES = {"all": "All", "active": "Active", "paused": "Paused"}


@dataclass(frozen=True, slots=True)
class EndpointList:
    """A part of a project's endpoints with what they did lately."""

    shell: Shell
    crumbs: tuple[Crumb, ...]
    endpoints: tuple[tuple[EndpointRow, usage.Lately | None], ...]
    finder: Finder
    has_any: bool


@dataclass(frozen=True, slots=True)
class EndpointPage:
    """One endpoint: its address, how to call it, what happened on it."""

    shell: Shell
    crumbs: tuple[Crumb, ...]
    endpoint: EndpointRow
    snippets: tuple[Snippet, ...]
    keys: tuple[KeyRow, ...]
    records: tuple[RecordRow, ...]
    refused: Refused
    overrides: tuple[str, ...]
    terms: TierCard
    fallback: TierCard | None
    allowances: tuple[live.Allowance, ...]
    may_change: bool
    may_move: bool


@require_GET
@project_page()
def endpoint_list(request: HttpRequest, seat: Seat) -> HttpResponse:
    """List the endpoints, newest first, with their requests of the last day."""
    project = seat.project
    url = reverse("project:endpoints", args=[project.public_id])
    finder = asked(request, url, "Search by slug, id or model", STATES)
    state = "" if finder.state == "all" else finder.state
    wanted = selectors.found_endpoints(project=project, query=finder.query, state=state)
    rows, finder = part_of(wanted, request, finder)
    lately = usage.lately(
        project=project, slugs=[row.slug for row in rows], since=clock.now() - LATELY
    )
    context = EndpointList(
        shell=shell_for(seat, "endpoints"),
        crumbs=crumbs_to(seat),
        endpoints=tuple((row, lately.get(row.slug)) for row in endpoint_rows(project, rows)),
        finder=finder,
        has_any=bool(rows) or selectors.endpoints_of(project=project).exists(),
    )
    return show(request, "dashboard/endpoints/endpoints.html", context)


@require_GET
@project_page()
def endpoint_page(request: HttpRequest, seat: Seat, slug: str) -> HttpResponse:
    """Show one endpoint with snippets, keys and its latest requests."""
    endpoint = _endpoint(seat, slug)
    row = endpoint_row(seat.project, endpoint)
    keys = _keys(seat, slug)
    context = EndpointPage(
        shell=shell_for(seat, "endpoints"),
        crumbs=_crumbs(seat),
        endpoint=row,
        snippets=snippets_for(
            task=row.task,
            base_url=row.base_url,
            model=row.model,
            key=keys[0].hint if keys else PLACEHOLDER,
        ),
        keys=keys,
        records=_records(seat, slug),
        refused=_refused(seat, slug),
        overrides=_overrides(seat, endpoint),
        allowances=tuple(live.allowance_of(project=seat.project, endpoint=endpoint)),
        terms=tier_card(endpoint.tier, clock.now()),
        fallback=tier_card(endpoint.fallback, clock.now()) if endpoint.fallback else None,
        may_move=may(seat, Role.OWNER),
        may_change=may_change(seat, endpoint.created_by_id),
    )
    return show(request, "dashboard/endpoints/endpoint.html", context)


def _overrides(seat: Seat, endpoint: Endpoint) -> tuple[str, ...]:
    now = clock.now()
    rows = selectors.overrides_of(project=seat.project, moment=now, endpoint=endpoint)
    return tuple(rules.override_said(vars(row), row.reason, row.ends_at) for row in rows)


def _refused(seat: Seat, slug: str) -> Refused:
    wanted = Filter(since=clock.now() - timedelta(days=1), endpoint=slug)
    return refused_of(refused.counts(project=seat.project, wanted=wanted))


@action(back="endpoint", at_least=Role.MEMBER)
def pause(request: HttpRequest, seat: Seat, slug: str) -> HttpResponse:
    """Stop answering until it is resumed."""
    services.pause_endpoint(endpoint=_own_endpoint(seat, slug), by=seat.actor)
    messages.success(request, f"{slug} is paused. Requests get 503 until you resume it.")
    return redirect("project:endpoint", seat.project.public_id, slug)


@action(back="endpoint", at_least=Role.MEMBER)
def resume(request: HttpRequest, seat: Seat, slug: str) -> HttpResponse:
    """Answer again."""
    services.resume_endpoint(endpoint=_own_endpoint(seat, slug), by=seat.actor)
    messages.success(request, f"{slug} answers again.")
    return redirect("project:endpoint", seat.project.public_id, slug)


@require_http_methods(["GET", "POST"])
@project_page(at_least=Role.MEMBER)
def retire(request: HttpRequest, seat: Seat, slug: str) -> HttpResponse:
    """Ask for the slug, then close the endpoint for good."""
    endpoint = _own_endpoint(seat, slug)
    question = Confirmation(
        shell=shell_for(seat, "endpoints"),
        crumbs=crumbs_to(seat, ("Endpoints", _url(seat, "project:endpoints"))),
        title=f"Retire {slug}",
        will="Its URL stops answering within a second, for every key. This can't be undone, "
        "and the slug is never given out again.",
        stays="Usage records, keys and other endpoints stay.",
        button="Retire endpoint",
        action=_url(seat, "project:retire-endpoint", slug),
        cancel_url=_url(seat, "project:endpoint", slug),
        word=slug,
    )
    if request.method == "GET" or request.POST.get("confirmation") != slug:
        return confirm(request, question)
    services.retire_endpoint(endpoint=endpoint, by=seat.actor)
    messages.success(request, f"{slug} is retired.")
    return redirect("project:endpoints", seat.project.public_id)


def _endpoint(seat: Seat, slug: str) -> Endpoint:
    endpoint = selectors.endpoint_of(project=seat.project, slug=slug)
    if endpoint is None:
        raise EndpointUnknown(f"This project has no endpoint “{slug}”.")
    return endpoint


def _own_endpoint(seat: Seat, slug: str) -> Endpoint:
    endpoint = _endpoint(seat, slug)
    seat.check_own(endpoint.created_by_id)
    return endpoint


def _keys(seat: Seat, slug: str) -> tuple[KeyRow, ...]:
    now = clock.now()
    live = apikeys.keys_for(project=seat.project, slug=slug, moment=now)
    return tuple(key_row(seat, key, now) for key in live[:KEYS_SHOWN])


def _records(seat: Seat, slug: str) -> tuple[RecordRow, ...]:
    wanted = usage.Filter(endpoint=slug)
    lately, _ = usage.page(project=seat.project, wanted=wanted, limit=LATEST)
    return record_rows(seat.project, lately)


def _crumbs(seat: Seat) -> tuple[Crumb, ...]:
    return crumbs_to(seat, ("Endpoints", _url(seat, "project:endpoints")))


def _url(seat: Seat, name: str, *rest: str) -> str:
    return reverse(name, args=[seat.project.public_id, *rest])
