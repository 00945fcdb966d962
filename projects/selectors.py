"""Questions about projects and who sits in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import QuerySet

from projects.models import Membership, Project

if TYPE_CHECKING:
    from accounts.models import User


def seats_of(user: User) -> QuerySet[Membership]:
    """Return a person's seats with their projects, oldest first."""
    return Membership.objects.filter(user=user).select_related("project").order_by("since", "id")


def members_of(*, project: Project) -> QuerySet[Membership]:
    """Return the seats of a project with the people on them, oldest first."""
    return Membership.objects.filter(project=project).select_related("user").order_by("since", "id")


def project_by_public_id(public_id: str) -> Project | None:
    """Return a project by its outward name."""
    return Project.objects.filter(public_id=public_id).first()
