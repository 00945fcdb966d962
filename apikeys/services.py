"""Changes to API keys. Nothing else in the code base writes these rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypedDict

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F

from apikeys import limits as own_limits
from apikeys import rules, secrets, selectors
from apikeys.errors import (
    AddressMalformed,
    ExpiryInThePast,
    GraceTooLong,
    KeyNameTaken,
    KeyRevoked,
    ScopesEmpty,
    TooManyKeys,
)
from apikeys.limits import Figures
from apikeys.models import ApiKey, KeySecret
from apikeys.rules import Scope
from audit import services as audit
from common import clock, outbox
from common.actor import SYSTEM, Actor
from common.names import check_name
from common.problems import Stale

if TYPE_CHECKING:
    from accounts.models import User
    from endpoints.models import Endpoint
    from projects.models import Project

USE_RESOLUTION = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A key together with its new secret, for the one response that may show it."""

    key: ApiKey
    secret: str = field(repr=False)


class KeyChanges(TypedDict, total=False):
    """What may change in a key's life; what is not said stays."""

    name: str
    scopes: Sequence[str]
    endpoint: Endpoint | None
    expires_at: datetime | None
    ip_allow: Sequence[str]
    ip_block: Sequence[str]
    figures: Figures
    """Its own limits, by column."""


def issue_key(  # noqa: PLR0913 - what a key is, and who asks
    *,
    project: Project,
    name: str,
    scopes: Sequence[str] = (Scope.INFERENCE,),
    issuer: User | None = None,
    endpoint: Endpoint | None = None,
    expires_at: datetime | None = None,
    limits: KeyChanges | None = None,
    by: Actor = SYSTEM,
) -> IssuedKey:
    """Give a project a new key. ``limits``: its IP rules, and its own limits.

    Raises ``NameMalformed``, ``ScopesEmpty``, ``ExpiryInThePast``, what its limits are
    refused for, ``KeyNameTaken`` if a live key of the project has this name, or ``TooManyKeys``.
    Whether ``issuer`` may do this at all is the edge's question.
    """
    said = KeyChanges(name=name, scopes=scopes, endpoint=endpoint, expires_at=expires_at)
    columns = _checked({**said, **(limits or {})})
    secret = secrets.mint(project.slug)
    try:
        with transaction.atomic():
            _check_count(project)
            key = ApiKey.objects.create(
                project=project, issued_by=issuer, issued_at=clock.now(), **columns
            )
            _keep(key, secret)
            _tell(key, by, "apikey.issued", after={**_said(key), "hint": secret.hint})
    except IntegrityError as clash:
        # Caught outside the block: inside it the transaction would already be broken.
        raise _taken(name) from clash
    return IssuedKey(key=key, secret=secret.plain)


def _check_count(project: Project) -> None:
    live = selectors.counted_alone(project=project, moment=clock.now())
    if live >= settings.KEYS_PER_PROJECT:
        raise TooManyKeys(
            f"The project has {settings.KEYS_PER_PROJECT} keys, the most one may. Revoke those "
            "that nobody uses, or ask the operator for more."
        )


def change_key(*, key: ApiKey, changes: KeyChanges, by: Actor = SYSTEM) -> None:
    """Change what a key may do; in force everywhere within a second.

    Raises ``KeyRevoked``, ``Stale`` if the key is no longer as ``key`` shows it, and what
    ``issue_key`` raises.
    """
    columns = _checked(changes)
    before = {name: value for name, value in _said(key).items() if name in columns}
    try:
        with transaction.atomic():
            _raise_version(key, **columns)
            key.refresh_from_db()
            after = {name: value for name, value in _said(key).items() if name in columns}
            _tell(key, by, "apikey.changed", before=before, after=after)
    except IntegrityError as clash:
        raise _taken(str(changes.get("name", key.name))) from clash


def rotate_key(
    *, key: ApiKey, grace: timedelta = rules.DEFAULT_GRACE, by: Actor = SYSTEM
) -> IssuedKey:
    """Give a key a new secret; the one before it goes on until ``grace`` is over.

    There are never more than two: one that was still in an earlier grace stops now. Its
    end is part of what the gateways know, so no job has to run for it to stop. Raises
    ``GraceTooLong``, ``KeyRevoked`` or ``Stale``.
    """
    if not timedelta(0) <= grace <= rules.MAX_GRACE:
        raise GraceTooLong("The grace is at least 0 and at most 7 days.", param="grace_s")
    now = clock.now()
    secret = secrets.mint(key.project.slug)
    with transaction.atomic():
        _raise_version(key)
        key.secrets.filter(ends_at__gt=now).update(ends_at=now)
        key.secrets.filter(ends_at=None).update(ends_at=now + grace)
        _keep(key, secret)
        after = {"hint": secret.hint, "old_ends_at": now + grace}
        _tell(key, by, "apikey.rotated", after=after)
    return IssuedKey(key=selectors.fresh(key), secret=secret.plain)


def end_old_secret(*, key: ApiKey, by: Actor = SYSTEM) -> bool:
    """Stop the secret that a rotation left in its grace; say whether there was one.

    Raises ``KeyRevoked`` or ``Stale``.
    """
    now = clock.now()
    with transaction.atomic():
        old = key.secrets.filter(ends_at__gt=now).first()
        if old is None:
            return False
        _raise_version(key)
        key.secrets.filter(ends_at__gt=now).update(ends_at=now)
        before: dict[str, object] = {"hint": old.hint, "ends_at": old.ends_at}
        _tell(key, by, "apikey.old_secret_ended", before=before, after={"ends_at": now})
    return True


def revoke_key(*, key: ApiKey, by: Actor = SYSTEM, reason: str = "") -> bool:
    """Close a key for good; say whether it was open.

    Revoking twice is allowed and keeps the first moment. ``reason`` is for the audit log.
    """
    with transaction.atomic():
        changed = ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(
            revoked_at=clock.now(), version=F("version") + 1
        )
        if changed:
            _tell(key, by, "apikey.revoked", after={"name": key.name, "reason": reason or "asked"})
    return bool(changed)


def hand_over_key(*, key: ApiKey, heir: User, by: Actor = SYSTEM) -> None:
    """Let somebody else answer for a key from now on: it may do what they may do."""
    before: dict[str, object] = {"issued_by": key.issued_by.email if key.issued_by else None}
    with transaction.atomic():
        ApiKey.objects.filter(pk=key.pk).update(issued_by=heir, version=F("version") + 1)
        after: dict[str, object] = {"issued_by": heir.email}
        _tell(key, by, "apikey.handed_over", before=before, after=after)


def note_use(*, secret_ids: Sequence[int], moment: datetime) -> None:
    """Remember that these secrets were used, at most once a minute each. Called with batches."""
    KeySecret.objects.filter(pk__in=secret_ids).exclude(
        last_used_at__gt=moment - USE_RESOLUTION
    ).update(last_used_at=moment)


def _checked(said: KeyChanges) -> dict[str, object]:
    """Return what is said as columns; raise what is wrong with it."""
    columns: dict[str, object] = dict(said)
    check_name(said.get("name", ""))
    if "scopes" in said:
        if not said["scopes"]:
            raise ScopesEmpty("Choose at least one scope.", param="scopes")
        columns["scopes"] = sorted({Scope(scope).value for scope in said["scopes"]})
    expires_at = said.get("expires_at")
    if expires_at is not None and expires_at <= clock.now():
        raise ExpiryInThePast("Choose an expiry that lies ahead.", param="expires_at")
    if "ip_allow" in said:
        columns["ip_allow"] = _networks(said["ip_allow"], "allow")
    if "ip_block" in said:
        columns["ip_block"] = _networks(said["ip_block"], "block")
    columns.pop("figures", None)
    figures = said.get("figures", {})
    own_limits.check(figures)
    return {**columns, **figures}


def _networks(texts: Sequence[str], param: str) -> list[str]:
    if len(texts) > rules.MAX_RULES:
        raise AddressMalformed(f"A list has room for {rules.MAX_RULES} rules.", param=param)
    found: list[str] = []
    for place, text in enumerate(texts):
        network = rules.normal_network(text)
        if network is None:
            message = f"“{text[:64]}” is neither an IP address nor a range such as 10.0.0.0/8."
            raise AddressMalformed(message, param=f"{param}.{place}")
        found.append(network)
    return list(dict.fromkeys(found))


def _raise_version(key: ApiKey, **columns: object) -> None:
    changed = ApiKey.objects.filter(pk=key.pk, version=key.version, revoked_at=None).update(
        version=F("version") + 1, **columns
    )
    if not changed:
        if ApiKey.objects.filter(pk=key.pk, revoked_at=None).exists():
            raise Stale("The key has changed since you read it. Read it again.")
        raise KeyRevoked("This key was revoked; issue a new one.")


def _keep(key: ApiKey, secret: secrets.Secret) -> None:
    KeySecret.objects.create(
        key=key,
        digest=secret.digest,
        pepper=secret.pepper,
        hint=secret.hint,
        issued_at=clock.now(),
    )


def _tell(
    key: ApiKey,
    by: Actor,
    action: str,
    *,
    after: dict[str, object],
    before: dict[str, object] | None = None,
) -> None:
    audit.record(
        by=by,
        action=action,
        project=key.project.public_id,
        subject=("apikey", key.public_id),
        before=before,
        after=after,
    )
    outbox.announce("apikey", key.pk)


def _said(key: ApiKey) -> dict[str, object]:
    """Return what the audit log is told of a key: never a secret, never a digest."""
    return {
        "name": key.name,
        "scopes": key.scopes,
        "endpoint": key.endpoint.slug if key.endpoint else None,
        "expires_at": key.expires_at,
        "ip_allow": key.ip_allow,
        "ip_block": key.ip_block,
        **own_limits.of(key),
    }


def touch_keys(project_pk: int) -> list[int]:
    """Raise the version of every key of a project that was closed or restored.

    Returns the primary keys.
    """
    touched = ApiKey.objects.filter(project=project_pk)
    touched.update(version=F("version") + 1)
    return list(touched.values_list("pk", flat=True))


def _taken(name: str) -> KeyNameTaken:
    return KeyNameTaken(f"This project already has a live key named “{name}”.", param="name")
