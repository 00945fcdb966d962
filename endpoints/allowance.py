"""Whose free allowance a project uses: one a person and month, in one project at a time.

The counters lie in Valkey by project, each in a shard of its own, so no single step could
count them together. Instead one project of a person *has* the allowance (a claim), and the
others have none. A claim moves only when a new month begins. So however many projects a
person opens, hands over or is given, no two of them use that person's allowance in a month.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from accounts.models import User
from catalog import selectors as catalog
from common import clock, tenancy
from endpoints.errors import AllowanceElsewhere
from endpoints.models import AllowanceClaim, Endpoint, EndpointState
from projects import selectors as projects
from projects.models import Membership, Project
from projects.rules import Role

if TYPE_CHECKING:
    from catalog.models import ServiceTier

SETTLING = timedelta(seconds=10)
"""How long the data plane may need to hear that a claim ended."""

Place = tuple[int, int]
"""A project and a tier, by primary key."""


def is_held(*, project: Project, tier: ServiceTier) -> bool:
    """Say whether a project has an owner's allowance of a tier now."""
    return _open().filter(project=project, tier=tier).exists()


def claim(*, project: Project, tier: ServiceTier) -> None:
    """Give a project the allowance of one of its owners. Raises ``AllowanceElsewhere``."""
    # A person's claims may lie in other projects, which this one's wall hides.
    with tenancy.system():
        if not _claim(project, tier):
            raise AllowanceElsewhere(
                f"The monthly allowance of the {tier.name} tier is one a person, and its owner has "
                f"it in {_elsewhere(project, tier)} this month. Use that one, or another tier.",
                param="tier",
            )


def release(*, project: Project, tier: ServiceTier) -> None:
    """End a project's claim once nothing of it lives on the tier."""
    if not _living(project.pk, tier.pk).exists():
        _end(AllowanceClaim.objects.filter(project=project, tier=tier))


def settle_all() -> list[Place]:
    """End claims whose person is no owner any more, and serve projects that wait for one.

    Returns where something changed: routes there have to be told anew.
    """
    changed: list[Place] = []
    with transaction.atomic():
        for stale in _stale().select_for_update(skip_locked=True):
            _end(AllowanceClaim.objects.filter(pk=stale.pk))
            changed.append((stale.project_id, stale.tier_id))
        changed += [place for place in _waiting() if _serve(place)]
    return changed


def _claim(project: Project, tier: ServiceTier) -> bool:
    owners = projects.owners_of(project)
    # Two projects of one person may ask at once; locked in one order, so that none waits for ever.
    list(User.objects.select_for_update().filter(pk__in=owners).order_by("pk"))
    if is_held(project=project, tier=tier):
        return True
    now = clock.now()
    for person in owners:
        if not _spent(person, tier.pk, project.pk, now).exists():
            AllowanceClaim.objects.create(
                person_id=person, project=project, tier=tier, began_at=now
            )
            return True
    return False


def _spent(person: int, tier: int, project: int, now: datetime) -> QuerySet[AllowanceClaim]:
    """Return what keeps a person's allowance from a project: a claim elsewhere in this month."""
    month = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    claims = AllowanceClaim.objects.filter(person_id=person, tier_id=tier)
    lately = Q(ended_at__gte=month - SETTLING) & ~Q(project_id=project)
    return claims.filter(Q(ended_at=None) | lately)


def _elsewhere(project: Project, tier: ServiceTier) -> str:
    mine = projects.owners_of(project)
    claims = AllowanceClaim.objects.filter(person_id__in=mine, tier=tier).order_by("-id")
    found = claims.select_related("project").first()
    return "another project" if found is None else f"“{found.project.name}”"


def _open() -> QuerySet[AllowanceClaim]:
    return AllowanceClaim.objects.filter(ended_at=None)


def _end(claims: QuerySet[AllowanceClaim]) -> None:
    claims.filter(ended_at=None).update(ended_at=clock.now())


def _living(project: int, tier: int) -> QuerySet[Endpoint]:
    rows = Endpoint.objects.filter(project_id=project, tier_id=tier)
    return rows.exclude(state=EndpointState.RETIRED)


def _stale() -> QuerySet[AllowanceClaim]:
    owner = Membership.objects.filter(
        project=OuterRef("project"), user=OuterRef("person"), role=Role.OWNER
    )
    return _open().exclude(Exists(owner))


def _waiting() -> Iterator[Place]:
    held = _open().filter(project=OuterRef("project"), tier=OuterRef("tier"))
    rows = Endpoint.objects.exclude(state=EndpointState.RETIRED).exclude(Exists(held))
    limited = [tier.pk for tier in catalog.all_tiers() if catalog.has_allowance(tier)]
    places = rows.filter(tier__in=limited, project__purged_at=None)
    yield from (
        places.order_by("project_id", "tier_id")
        .values_list(F("project_id"), F("tier_id"))
        .distinct()
    )


def _serve(place: Place) -> bool:
    project, tier = Project.objects.get(pk=place[0]), catalog.tier_by_pk(place[1])
    return _claim(project, tier)
