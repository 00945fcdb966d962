"""The console's front page: is anything wrong, how much is going on, who works."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast
from urllib.parse import urlencode

from django.db.models import Count, Min, Q, Sum
from django.db.models.functions import TruncHour
from django.http import HttpRequest
from django.urls import reverse

from accounts.models import User
from agents import cards
from agents import selectors as agents
from agents.cards import Card
from agents.models import Worker, WorkerState
from apikeys.models import ApiKey
from audit.models import AuditEntry
from catalog import facts
from common import clock, deliveries
from common.models import OutboxEntry
from endpoints.models import Endpoint, EndpointState
from projects.models import Project
from usage import rules
from usage.models import PoisonEvent, UsageRecord
from xerotier_site import mail, to_set_up

HOURS = 24
ENTRIES = 8
MACHINES_NAMED = 3
CAPABILITIES = {
    "chat/completions": "chat",
    "completions": "completions",
    "responses": "responses",
    "embeddings": "embeddings",
    "rerank": "rerank",
    "score": "score",
}
"""What the catalog calls it that a machine does something."""
LATE = timedelta(seconds=30)
"""A note that nobody carried for this long means that something stands still."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One number on the front page, where it leads, and whether somebody should look."""

    label: str
    value: int
    hint: str
    link: str
    is_alarm: bool = False


@dataclass(frozen=True, slots=True)
class Hour:
    """What happened in one hour; ``share`` is of the busiest one, in percent."""

    at: datetime
    requests: int
    share: int


@dataclass(frozen=True, slots=True)
class CardRow:
    """A model that machines have and the catalog lacks, and the form that adds it, filled in."""

    name: str
    machines: str
    fault: str
    link: str


def overview(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add the front page's numbers to its context; unfold calls this."""
    now = clock.now()
    return {
        **context,
        "title": "Overview",
        "tasks": to_set_up.tasks(cast("User", request.user)),
        "cards": [_card(card) for card in cards.unknown()],
        "mail_is_sent": mail.is_sent(),
        "mail_place": mail.place(),
        "totals": [*_tenants(now), *_traffic(now)],
        "health": _health(now),
        "hours": _hours(now),
        "workers": Worker.objects.order_by("state", "name")[:20],
        "entries": AuditEntry.objects.order_by("-id")[:ENTRIES],
    }


def _card(card: Card) -> CardRow:
    said = {
        "name": card.name,
        "title": card.name.rpartition("/")[2],
        "task": card.task,
        "context_length": card.context_length,
        "size": facts.write_size(card.size_bytes) if card.size_bytes else None,
        "capabilities": ", ".join(CAPABILITIES[one] for one in card.operations),
    }
    known = {name: value for name, value in said.items() if value}
    machines = ", ".join(
        f"{one.name} ({one.project or 'shared'})" for one in card.machines[:MACHINES_NAMED]
    )
    more = len(card.machines) - MACHINES_NAMED
    return CardRow(
        name=card.name,
        machines=f"{machines} and {more} more" if more > 0 else machines,
        fault=card.fault,
        link=f"{reverse('admin:catalog_catalogmodel_add')}?{urlencode(known)}",
    )


def _tenants(now: datetime) -> list[Figure]:
    live = ApiKey.objects.filter(revoked_at=None).filter(Q(expires_at=None) | Q(expires_at__gt=now))
    answering = Endpoint.objects.filter(
        state=EndpointState.ACTIVE,
        project__suspended_at=None,
        project__delete_after=None,
        model__name__in=Worker.objects.filter(state=WorkerState.ACTIVE).values("model_name"),
    )
    return [
        Figure("People", User.objects.count(), "registered", _list("accounts_user")),
        Figure("Projects", Project.objects.count(), "tenants", _list("projects_project")),
        Figure(
            "Endpoints", answering.count(), "active, with a machine", _list("endpoints_endpoint")
        ),
        Figure("API keys", live.count(), "live", _list("apikeys_apikey")),
    ]


def _traffic(now: datetime) -> list[Figure]:
    day = UsageRecord.objects.filter(started_at__gt=now - timedelta(hours=HOURS))
    sums = day.aggregate(
        requests=Count("pk"),
        failures=Count("pk", filter=rules.FAILED_Q),
        tokens_in=Sum("tokens_in", default=0),
        tokens_out=Sum("tokens_out", default=0),
    )
    usage = _list("usage_usagerecord")
    return [
        Figure("Requests", sums["requests"], "last 24 hours", usage),
        Figure("Failures", sums["failures"], "last 24 hours, callers that left aside", usage),
        Figure("Tokens in", sums["tokens_in"], "last 24 hours", usage),
        Figure("Tokens out", sums["tokens_out"], "last 24 hours", usage),
    ]


def _health(now: datetime) -> list[Figure]:
    unsent = OutboxEntry.objects.filter(sent_at=None).aggregate(
        count=Count("pk"), oldest=Min("written_at")
    )
    is_late = unsent["oldest"] is not None and now - unsent["oldest"] > LATE
    set_aside = deliveries.set_aside().count()
    poison = PoisonEvent.objects.count()
    silent = _workers_out()
    return [
        Figure(
            "Not yet published",
            unsent["count"],
            "the gateways were not told yet",
            f"{_list('common_outboxentry')}?sent_at__isempty=1",
            is_late,
        ),
        Figure(
            "Unpublished changes that failed",
            set_aside,
            "failed too often: look why, try again",
            f"{_list('common_outboxdelivery')}?state=aside",
            set_aside > 0,
        ),
        Figure(
            "Unreadable usage events",
            poison,
            "usage nobody could read",
            _list("usage_poisonevent"),
            poison > 0,
        ),
        Figure(
            "Workers unavailable",
            silent,
            "suspended, or not answering the gateways",
            _list("agents_worker"),
            silent > 0,
        ),
    ]


def _workers_out() -> int:
    """Count the workers that are meant to serve and do not; retired ones are not meant to."""
    meant = Worker.objects.exclude(state=WorkerState.RETIRED)
    return meant.count() - len(agents.alive(meant.filter(state=WorkerState.ACTIVE)))


def _hours(now: datetime) -> list[Hour]:
    first = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=HOURS - 1)
    rows = UsageRecord.objects.filter(started_at__gte=first).order_by()
    counted: dict[datetime, int] = dict(
        rows.annotate(hour=TruncHour("started_at")).values_list("hour").annotate(Count("pk"))
    )
    busiest = max(counted.values(), default=0) or 1
    return [
        Hour(at, counted.get(at, 0), round(100 * counted.get(at, 0) / busiest))
        for at in (first + timedelta(hours=number) for number in range(HOURS))
    ]


def _list(page: str) -> str:
    return reverse(f"admin:{page}_changelist")
