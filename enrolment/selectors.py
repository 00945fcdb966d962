"""Questions about join keys. Each names whose it asks about, but for the machine at the door."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.db.models import F, Q, QuerySet

from enrolment import secrets
from enrolment.models import JoinKey, JoinKeyUse

if TYPE_CHECKING:
    from agents.models import Agent
    from projects.models import Project


def join_keys_of(*, project: Project | None) -> QuerySet[JoinKey]:
    """Return the join keys of an owner, closed ones too, newest first; none: the operator's."""
    rows = JoinKey.objects.filter(project=project).select_related("issued_by")
    return rows.prefetch_related("uses_made__agent").order_by("-issued_at", "-id")


def open_keys(*, project: Project | None, moment: datetime) -> QuerySet[JoinKey]:
    """Return those of an owner's that still let machines in."""
    return join_keys_of(project=project).filter(
        Q(expires_at=None) | Q(expires_at__gt=moment),
        Q(uses_max=None) | Q(uses__lt=F("uses_max")),
        revoked_at=None,
    )


def join_key_of(*, project: Project | None, public_id: str) -> JoinKey | None:
    """Return a join key of an owner by its id."""
    return join_keys_of(project=project).filter(public_id=public_id).first()


def shown(plain: str) -> JoinKey | None:
    """Return the join key that a machine shows, whoever's it is; none if nobody made it here."""
    if not secrets.is_whole(plain):
        return None
    rows = JoinKey.objects.select_related("project", "issued_by")
    return rows.filter(digest=secrets.digest(plain)).first()


def brought_by(agent: Agent) -> JoinKey | None:
    """Return the join key that a machine came with."""
    use = JoinKeyUse.objects.select_related("join_key").filter(agent=agent).first()
    return use.join_key if use is not None else None
