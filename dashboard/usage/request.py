"""One request: how it ended, when what happened, what was counted, and what it cost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_GET

from apikeys import selectors as apikeys
from catalog import selectors as catalog
from dashboard.examples.snippets import base_url_of
from dashboard.shell.contexts import Crumb, Shell, State, crumbs_to, shell_for
from dashboard.shell.door import project_page, show
from dashboard.usage.rows import outcome_of
from routing import selectors as routing
from usage import selectors
from usage.errors import RequestUnknown

if TYPE_CHECKING:
    from projects.access import Seat
    from usage.models import UsageRecord

_SOURCES = {
    "measured": "from the engine",
    "estimated": "estimated from what was relayed",
    "absent": "nothing was generated",
}
_ADVICE = {
    "caller_left": "The caller closed the connection before the end. What was generated until "
    "then is charged.",
    "worker_broke": "The machine that answered broke off. Send it again; nothing is wrong with "
    "the request.",
    "timeout": "No answer came within the tier’s time limit. Ask for less, or use another tier.",
    "gateway_lost": "The gateway was lost while it answered; the tokens are estimated.",
}


@dataclass(frozen=True, slots=True)
class RequestPage:
    """One request of the past, in words and figures only."""

    shell: Shell
    crumbs: tuple[Crumb, ...]
    request_id: str
    caller_request_id: str
    outcome: State
    advice: str
    status: int
    started_at: datetime
    ttft_ms: float | None
    latency_ms: float
    streamed: bool
    endpoint: str
    endpoint_url: str
    operation: str
    model: str
    key: str
    key_url: str
    worker: str
    tokens_in: int
    tokens_out: int
    tokens_cached: int
    counted: str
    tier: str
    terms_number: int
    price_per_million: int | None
    cost: int
    curl: str
    why_url: str


@require_GET
@project_page()
def request_page(request: HttpRequest, seat: Seat, request_id: str) -> HttpResponse:
    """Show the request with this id: ours, or the one its caller gave it."""
    record = selectors.record_of(project=seat.project, request_id=request_id)
    if record is None:
        raise RequestUnknown("This project made no admitted request with this id.")
    return show(request, "dashboard/usage/request.html", _context(seat, record))


def _context(seat: Seat, record: UsageRecord) -> RequestPage:
    project = seat.project
    names = apikeys.names_of(project=project, public_ids=[record.key_id])
    terms = catalog.terms_numbered(tier=record.tier, number=record.terms_number)
    return RequestPage(
        shell=shell_for(seat, "usage"),
        crumbs=crumbs_to(seat, ("Usage", reverse("project:usage", args=[project.public_id]))),
        request_id=record.request_id,
        caller_request_id=record.caller_request_id,
        outcome=outcome_of(record.status, record.ending),
        advice=_ADVICE.get(record.ending, ""),
        status=record.status,
        started_at=record.started_at,
        ttft_ms=record.ttft_ms if record.streamed else None,
        latency_ms=record.latency_ms,
        streamed=record.streamed,
        endpoint=record.endpoint,
        endpoint_url=reverse("project:endpoint", args=[project.public_id, record.endpoint]),
        operation=record.operation,
        model=record.model,
        key=names.get(record.key_id, record.key_id),
        key_url=reverse("project:key", args=[project.public_id, record.key_id])
        if record.key_id in names
        else "",
        worker=record.worker_id,
        tokens_in=record.tokens_in,
        tokens_out=record.tokens_out,
        tokens_cached=record.tokens_cached,
        counted=_SOURCES[record.source],
        tier=record.tier,
        terms_number=record.terms_number,
        price_per_million=terms.price_per_million if terms else None,
        cost=record.cost,
        curl=_curl(seat, record),
        why_url=reverse("project:why", args=[project.public_id, record.request_id])
        if routing.has_decision(project=project, request_id=record.request_id)
        else "",
    )


def _curl(seat: Seat, record: UsageRecord) -> str:
    url = f"{base_url_of(seat.project, record.endpoint)}/{record.operation}"
    return (
        f"curl -i {url} \\\n"
        '  -H "Authorization: Bearer $OPENAI_API_KEY" \\\n'
        '  -H "Content-Type: application/json" \\\n'
        f'  -d \'{{"model": "{record.model}", "…": "your request: bodies are not kept"}}\''
    )
