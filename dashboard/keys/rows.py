"""Keys as pages show them: words and figures only, so that a template can ask nothing more."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.urls import reverse

from dashboard.shell.contexts import State, may_change

if TYPE_CHECKING:
    from apikeys.models import ApiKey, KeySecret
    from projects.access import Seat

_SECRET_STATES = {False: State("good", "current"), True: State("warning", "ending")}


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


def _key_state(key: ApiKey, now: datetime) -> State:
    if key.revoked_at is not None:
        return State("bad", "revoked")
    if key.expires_at is not None and key.expires_at <= now:
        return State("", "expired")
    return State("good", "active")
