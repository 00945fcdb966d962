"""Rows as pages show them: words and figures only, so that a template can ask nothing more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.conf import settings
from django.urls import reverse

from apikeys import selectors as apikeys
from dashboard.contexts import may
from endpoints import live
from projects.errors import RoleInsufficient
from projects.rules import Role
from usage.rules import is_failure

if TYPE_CHECKING:
    from apikeys.models import ApiKey, KeySecret
    from endpoints.models import Endpoint
    from endpoints.rules import Live
    from projects.access import Seat
    from projects.models import Project
    from usage.models import UsageRecord


@dataclass(frozen=True, slots=True)
class State:
    """A dot and its word."""

    tone: str
    word: str


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
_SECRET_STATES = {False: State("good", "current"), True: State("warning", "ending")}
_ENDINGS = {
    "caller_left": State("", "left early"),
    "worker_broke": State("bad", "worker broke"),
    "timeout": State("bad", "timed out"),
    "refused": State("bad", "refused"),
    "gateway_lost": State("bad", "gateway lost"),
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
    state: State
    sentence: str
    is_paused: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class SecretRow:
    """A secret of a key: its hint, and until when it works. ``is_old`` was rotated away."""

    hint: str
    issued_at: datetime
    ends_at: datetime | None
    last_used_at: datetime | None
    is_old: bool
    state: State


@dataclass(frozen=True, slots=True)
class KeyRow:
    """An API key in a list. Of its secrets, two while a rotation lasts, there are only hints."""

    public_id: str
    name: str
    hint: str
    secrets: tuple[SecretRow, ...]
    url: str
    scopes: tuple[str, ...]
    pin: str
    issued_at: datetime
    issued_by: str
    expires_at: datetime | None
    last_used_at: datetime | None
    state: State
    revoke_url: str


@dataclass(frozen=True, slots=True)
class RecordRow:
    """One request of the past."""

    request_id: str
    url: str
    started_at: datetime
    endpoint: str
    model: str
    key: str
    tokens_in: int
    tokens_out: int
    cost: int
    source: str
    ttft_ms: float | None
    latency_ms: float
    status: int
    outcome: State


def base_url_of(project: Project, slug: str) -> str:
    """Return what goes into an SDK's ``base_url``."""
    return f"{settings.PUBLIC_URL}/{project.public_id}/{slug}/v1"


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
        state=_LIVE_STATES[found.word],
        sentence=found.sentence,
        is_paused=endpoint.state == "paused",
        created_at=endpoint.created_at,
    )


def key_row(seat: Seat, key: ApiKey, now: datetime) -> KeyRow:
    """Lay out a key; ``revoke_url`` is empty where this seat may not revoke it."""
    secrets = tuple(secret_row(secret, now) for secret in key.secrets.all())
    used = [secret.last_used_at for secret in secrets if secret.last_used_at]
    args = [seat.project.public_id, key.public_id]
    may_revoke = may_change(seat, key.issued_by_id) and key.revoked_at is None
    return KeyRow(
        public_id=key.public_id,
        name=key.name,
        hint=secrets[0].hint if secrets else "",
        secrets=tuple(secret for secret in secrets if secret.state.tone),
        url=reverse("project:key", args=args),
        scopes=tuple(key.scopes),
        pin=key.endpoint.slug if key.endpoint else "",
        issued_at=key.issued_at,
        issued_by=key.issued_by.email if key.issued_by else "",
        expires_at=key.expires_at,
        last_used_at=max(used, default=None),
        state=_key_state(key, now),
        revoke_url=reverse("project:revoke-key", args=args) if may_revoke else "",
    )


def secret_row(secret: KeySecret, now: datetime) -> SecretRow:
    """Lay out one secret of a key; whether the key itself still opens a door is not its matter."""
    is_old = secret.ends_at is not None
    return SecretRow(
        hint=secret.hint,
        issued_at=secret.issued_at,
        ends_at=secret.ends_at,
        last_used_at=secret.last_used_at,
        is_old=is_old,
        state=_SECRET_STATES[is_old] if secret.is_live(now) else State("", "ended"),
    )


def record_rows(project: Project, records: Sequence[UsageRecord]) -> tuple[RecordRow, ...]:
    """Lay out records; of the project's keys only those are named that they show."""
    names = apikeys.names_of(
        project=project, public_ids={record.key_id for record in records if record.key_id}
    )
    return tuple(record_row(project, record, names) for record in records)


def record_row(project: Project, record: UsageRecord, key_names: dict[str, str]) -> RecordRow:
    """Lay out a record; a key that is not ours to name keeps its id."""
    return RecordRow(
        request_id=record.request_id,
        url=reverse("project:request", args=[project.public_id, record.request_id]),
        started_at=record.started_at,
        endpoint=record.endpoint,
        model=record.model,
        key=key_names.get(record.key_id, record.key_id),
        tokens_in=record.tokens_in,
        tokens_out=record.tokens_out,
        cost=record.cost,
        source=record.source,
        ttft_ms=record.ttft_ms if record.streamed else None,
        latency_ms=record.latency_ms,
        status=record.status,
        outcome=outcome_of(record.status, record.ending),
    )


def outcome_of(status: int, ending: str) -> State:
    """Say how a request ended, in a dot and a word."""
    if ending in _ENDINGS:
        return _ENDINGS[ending]
    return State("bad" if is_failure(status, ending) else "good", str(status))


def may_change(seat: Seat, creator_id: int | None) -> bool:
    """Say whether a seat may change a thing: members their own, admins and owners all."""
    try:
        seat.check_own(creator_id)
    except RoleInsufficient:
        return False
    return may(seat, Role.MEMBER)


def _key_state(key: ApiKey, now: datetime) -> State:
    if key.revoked_at is not None:
        return State("bad", "revoked")
    if key.expires_at is not None and key.expires_at <= now:
        return State("", "expired")
    return State("good", "active")
