"""Changes to API keys. Nothing else in the code base writes these rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction
from django.db.models import F

from apikeys import secrets
from apikeys.errors import ExpiryInThePast, KeyNameTaken, ScopesEmpty
from apikeys.models import ApiKey, KeySecret, Scope
from audit import services as audit
from common import clock, outbox
from common.actor import SYSTEM, Actor

if TYPE_CHECKING:
    from accounts.models import User
    from endpoints.models import Endpoint
    from projects.models import Project

USE_RESOLUTION = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A new key together with its secret, for the one response that may show it."""

    key: ApiKey
    secret: str = field(repr=False)


def issue_key(  # noqa: PLR0913 - what a key is, and who asks
    *,
    project: Project,
    name: str,
    scopes: Sequence[str] = (Scope.INFERENCE,),
    issuer: User | None = None,
    endpoint: Endpoint | None = None,
    expires_at: datetime | None = None,
    by: Actor = SYSTEM,
) -> IssuedKey:
    """Give a project a new key.

    Raises ``ScopesEmpty``, ``ExpiryInThePast``, or ``KeyNameTaken`` if a live key of the
    project has this name. Whether ``issuer`` may do this at all is the edge's question.
    """
    now = clock.now()
    if not scopes:
        raise ScopesEmpty("Choose at least one scope.", param="scopes")
    if expires_at is not None and expires_at <= now:
        raise ExpiryInThePast("Choose an expiry that lies ahead.", param="expires_at")
    secret = secrets.mint(project.slug)
    try:
        with transaction.atomic():
            key = ApiKey.objects.create(
                project=project,
                name=name,
                scopes=sorted({Scope(scope).value for scope in scopes}),
                endpoint=endpoint,
                issued_by=issuer,
                issued_at=now,
                expires_at=expires_at,
            )
            KeySecret.objects.create(
                key=key,
                digest=secret.digest,
                pepper=secret.pepper,
                hint=secret.hint,
                issued_at=now,
            )
            audit.record(
                by=by,
                action="apikey.issued",
                project=project.public_id,
                subject=("apikey", key.public_id),
                after=_said(key, secret.hint),
            )
            outbox.announce("apikey", key.pk)
    except IntegrityError as clash:
        # Caught outside the block: inside it the transaction would already be broken.
        raise KeyNameTaken(
            f"This project already has a live key named “{name}”.", param="name"
        ) from clash
    return IssuedKey(key=key, secret=secret.plain)


def revoke_key(*, key: ApiKey, by: Actor = SYSTEM) -> None:
    """Close a key for good. Revoking twice is allowed and keeps the first moment."""
    with transaction.atomic():
        changed = ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(
            revoked_at=clock.now(), version=F("version") + 1
        )
        if changed:
            audit.record(
                by=by,
                action="apikey.revoked",
                project=key.project.public_id,
                subject=("apikey", key.public_id),
                after={"name": key.name},
            )
            outbox.announce("apikey", key.pk)


def _said(key: ApiKey, hint: str) -> dict[str, object]:
    """Return what the audit log is told of a key: never the secret, never its digest."""
    return {
        "name": key.name,
        "scopes": key.scopes,
        "endpoint": key.endpoint.slug if key.endpoint else None,
        "expires_at": key.expires_at,
        "hint": hint,
    }


def touch_keys(project_pk: int) -> list[int]:
    """Raise the version of every key of a project that was closed or restored.

    Returns the primary keys.
    """
    touched = ApiKey.objects.filter(project=project_pk)
    touched.update(version=F("version") + 1)
    return list(touched.values_list("pk", flat=True))


def note_use(*, key_ids: Sequence[str], moment: datetime) -> None:
    """Remember that these keys were used, at most once a minute each. Called with batches."""
    KeySecret.objects.filter(key__public_id__in=key_ids, ends_at=None).exclude(
        last_used_at__gt=moment - USE_RESOLUTION
    ).update(last_used_at=moment)
