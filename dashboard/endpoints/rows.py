"""Endpoints as pages show them: words and figures only, so that a template can ask nothing more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.urls import reverse

from dashboard.examples.snippets import base_url_of
from dashboard.shell.contexts import State
from endpoints import live

if TYPE_CHECKING:
    from endpoints.models import Endpoint
    from endpoints.rules import Live
    from projects.models import Project

_LIVE_STATES = {
    "serving": State("good", "serving"),
    "no_worker": State("bad", "no worker"),
    "no_balance": State("bad", "no balance"),
    "over_budget": State("bad", "over budget"),
    "allowance_used": State("bad", "allowance used"),
    "paused": State("", "paused"),
    "suspended": State("bad", "suspended"),
    "retired": State("bad", "retired"),
}


@dataclass(frozen=True, slots=True)
class EndpointRow:
    """An endpoint in a list, and at the top of its page."""

    slug: str
    public_id: str
    url: str
    base_url: str
    model: str
    model_title: str
    task: str
    tier: str
    region: str
    is_on_fallback: bool
    state: State
    sentence: str
    is_paused: bool
    created_at: datetime


def endpoint_rows(project: Project, endpoints: Sequence[Endpoint]) -> tuple[EndpointRow, ...]:
    """Lay out endpoints; their models and tiers are expected to be loaded."""
    states = live.states_of(project, endpoints)
    return tuple(_endpoint_row(project, endpoint, states[endpoint.pk]) for endpoint in endpoints)


def endpoint_row(project: Project, endpoint: Endpoint) -> EndpointRow:
    """Lay out one endpoint; its model and tier are expected to be loaded."""
    [row] = endpoint_rows(project, [endpoint])
    return row


def _endpoint_row(project: Project, endpoint: Endpoint, found: Live) -> EndpointRow:
    return EndpointRow(
        slug=endpoint.slug,
        public_id=endpoint.public_id,
        url=reverse("project:endpoint", args=[project.public_id, endpoint.slug]),
        base_url=base_url_of(project, endpoint.slug),
        model=endpoint.model.name,
        model_title=endpoint.model.title,
        task=endpoint.model.task,
        tier=endpoint.tier.name,
        region=endpoint.region,
        is_on_fallback=found.is_on_fallback,
        state=_LIVE_STATES[found.word],
        sentence=found.sentence,
        is_paused=endpoint.state == "paused",
        created_at=endpoint.created_at,
    )
