"""Questions about API keys. Each names the project it asks about, but for who is at the door."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from django.db.models import Q, QuerySet

from apikeys.errors import KeyUnknown
from apikeys.models import ApiKey, KeySecret, SigningKey
from apikeys.rules import Scope
from common import tenancy
from projects import selectors as projects

if TYPE_CHECKING:
    from accounts.models import User
    from projects.models import Project


def keys_of(*, project: Project) -> QuerySet[ApiKey]:
    """Return the keys of a project, revoked ones too, newest first."""
    return (
        ApiKey.objects.filter(project=project)
        .select_related("endpoint", "issued_by")
        .prefetch_related("secrets")
        .order_by("-issued_at", "-id")
    )


def live_keys(*, project: Project, moment: datetime) -> QuerySet[ApiKey]:
    """Return the keys of a project that open the door at a moment, newest first."""
    return keys_of(project=project).filter(
        Q(expires_at=None) | Q(expires_at__gt=moment), revoked_at=None
    )


def counted_alone(*, project: Project, moment: datetime) -> int:
    """Count a project's live keys; no other is issued until the present transaction ends."""
    projects.locked(project)  # Many may be asked for at once.
    return live_keys(project=project, moment=moment).count()


def keys_for(*, project: Project, slug: str, moment: datetime) -> QuerySet[ApiKey]:
    """Return the live keys that call an endpoint: pinned to it or to none, newest first."""
    return live_keys(project=project, moment=moment).filter(
        Q(endpoint=None) | Q(endpoint__slug=slug), scopes__contains=[Scope.INFERENCE]
    )


def found_keys(*, project: Project, query: str, state: str, moment: datetime) -> QuerySet[ApiKey]:
    """Return the keys whose name, id or hint holds a text: ``active``, ``ended`` or all."""
    rows = keys_of(project=project)
    is_live = Q(revoked_at=None) & (Q(expires_at=None) | Q(expires_at__gt=moment))
    if state in {"active", "ended"}:
        rows = rows.filter(is_live if state == "active" else ~is_live)
    if query:
        hints = KeySecret.objects.filter(hint__icontains=query, key__project=project)
        rows = rows.filter(
            Q(name__icontains=query) | Q(public_id=query) | Q(pk__in=hints.values("key_id"))
        )
    return rows


def names_of(*, project: Project, public_ids: Iterable[str]) -> dict[str, str]:
    """Return what these keys of a project are called, by id; a stranger's has no name here."""
    rows = ApiKey.objects.filter(project=project, public_id__in=set(public_ids))
    return dict(rows.values_list("public_id", "name"))


def ids_named(*, project: Project, query: str) -> QuerySet[ApiKey, str]:
    """Return the ids of the keys of a project whose name or id holds a text."""
    rows = ApiKey.objects.filter(Q(name__icontains=query) | Q(public_id=query), project=project)
    return rows.values_list("public_id", flat=True)


def has_any(*, project: Project) -> bool:
    """Say whether a project ever had a key."""
    return ApiKey.objects.filter(project=project).exists()


def key_of(*, project: Project, public_id: str) -> ApiKey | None:
    """Return one key of a project; none for a stranger's key, as for a missing one."""
    return keys_of(project=project).filter(public_id=public_id).first()


def known_key(*, project: Project, public_id: str) -> ApiKey:
    """Return one key of a project. Raises ``KeyUnknown``."""
    key = key_of(project=project, public_id=public_id)
    if key is None:
        raise KeyUnknown("This project has no such key.")
    return key


def live_keys_made_by(*, user: User, project_pk: int | None) -> QuerySet[ApiKey]:
    """Return the keys a person made that are not revoked, in one project or in all."""
    made = ApiKey.objects.filter(issued_by=user, revoked_at=None)
    where = Q() if project_pk is None else Q(project=project_pk)
    return made.filter(where).select_related("project", "endpoint").order_by("id")


def fresh(key: ApiKey) -> ApiKey:
    """Return a key as it is now, its secrets included."""
    return keys_of(project=key.project).get(pk=key.pk)


def live_secrets_by_pepper(*, moment: datetime) -> QuerySet[KeySecret]:
    """Return every secret on the platform that opens a door at a moment, by pepper's name."""
    return (
        KeySecret.objects.filter(
            Q(ends_at=None) | Q(ends_at__gt=moment),
            Q(key__expires_at=None) | Q(key__expires_at__gt=moment),
            key__revoked_at=None,
        )
        .select_related("key__project")
        .order_by("pepper", "key__project__slug", "key_id")
    )


def secret_by_digest(digests: list[str]) -> KeySecret | None:
    """Return the secret one of these digests belongs to: who is at the door, in any project."""
    return next(iter(secrets_by_digest(digests).values()), None)


def secrets_by_digest(digests: list[str]) -> dict[str, KeySecret]:
    """Return the secrets these digests belong to, of any project, in one statement."""
    if not digests:
        return {}
    # Whose key it is, is known only once it was found.
    with tenancy.system():
        found = KeySecret.objects.filter(digest__in=digests).select_related(
            "key__project", "key__endpoint", "key__issued_by"
        )
        return {secret.digest: secret for secret in found}


def newest_digest(*, project: Project, public_id: str) -> str:
    """Return the digest of a key's newest secret: what gateways find its grant by."""
    secrets = KeySecret.objects.filter(key__project=project, key__public_id=public_id)
    return secrets.order_by("-issued_at", "-id").values_list("digest", flat=True).first() or ""


def newest_signing_key() -> SigningKey | None:
    """Return the signing key made last, whether it signs yet or not."""
    return SigningKey.objects.order_by("-signs_from", "-id").first()


def signing_key_at(*, moment: datetime) -> SigningKey | None:
    """Return the key that signs at a moment: the newest that has begun."""
    return SigningKey.objects.filter(signs_from__lte=moment).order_by("-signs_from", "-id").first()


def published_signing_keys(*, moment: datetime) -> QuerySet[SigningKey]:
    """Return the signing keys whose passes may still be good, and the one that comes next."""
    return SigningKey.objects.filter(Q(ends_at=None) | Q(ends_at__gt=moment))


def signing_keys() -> QuerySet[SigningKey]:
    """Return every signing key there ever was."""
    return SigningKey.objects.all()
