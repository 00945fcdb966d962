"""Questions about projects and who sits in them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.db.models import Count, Q, QuerySet

from projects.models import Invitation, Membership, Project
from projects.rules import Role

if TYPE_CHECKING:
    from accounts.models import User


def seats_of(user: User) -> QuerySet[Membership]:
    """Return a person's seats with their projects, oldest first."""
    return Membership.objects.filter(user=user).select_related("project").order_by("since", "id")


def owned_alone_by(user: User) -> QuerySet[Project]:
    """Return the projects that have no owner but this person, oldest first."""
    owners = Count("memberships", filter=Q(memberships__role=Role.OWNER))
    mine = Membership.objects.filter(user=user, role=Role.OWNER).values("project")
    return (
        Project.objects.filter(pk__in=mine).annotate(owners=owners).filter(owners=1).order_by("pk")
    )


def members_of(*, project: Project) -> QuerySet[Membership]:
    """Return the seats of a project with the people on them, oldest first."""
    return Membership.objects.filter(project=project).select_related("user").order_by("since", "id")


def found_members(*, project: Project, query: str) -> QuerySet[Membership]:
    """Return the seats whose person's name or address, or whose id, holds a text."""
    rows = members_of(project=project)
    if query:
        rows = rows.filter(
            Q(user__email__icontains=query) | Q(user__name__icontains=query) | Q(public_id=query)
        )
    return rows


def member_named(*, project: Project, said: str) -> Membership | None:
    """Return one seat of a project, by its id or by its person's address."""
    rows = members_of(project=project)
    return rows.filter(Q(public_id=said) | Q(user__email__iexact=said)).first()


def project_by_public_id(public_id: str) -> Project | None:
    """Return a project by its outward name."""
    return Project.objects.filter(public_id=public_id).first()


def project_named(name: str) -> Project | None:
    """Return a project by its outward name or by its slug: for operators, who know either."""
    return project_by_public_id(name) or Project.objects.filter(slug=name).first()


def locked(project: Project) -> Project:
    """Return a project as it is now, locked until the transaction ends."""
    return Project.objects.select_for_update().get(pk=project.pk)


def seat_in(*, project: Project, user: User) -> Membership | None:
    """Return a person's seat in a project."""
    return Membership.objects.select_related("user").filter(project=project, user=user).first()


def owned_by(user: User) -> QuerySet[Project]:
    """Return the projects a person owns that are not gone for good."""
    return Project.objects.filter(
        memberships__user=user, memberships__role=Role.OWNER, purged_at=None
    )


def owners_of(project: Project) -> list[int]:
    """Return the primary keys of a project's owners, longest first."""
    held = Membership.objects.filter(project=project, role=Role.OWNER).order_by("since", "id")
    return list(held.values_list("user_id", flat=True))


def owns(project: Project, user_pk: int) -> bool:
    """Say whether a person is an owner of a project now."""
    held = Membership.objects.filter(project=project, user_id=user_pk, role=Role.OWNER)
    return held.exists()


def member_of(*, project: Project, public_id: str) -> Membership | None:
    """Return one seat of a project; none for a seat elsewhere, as for a missing one."""
    return members_of(project=project).filter(public_id=public_id).first()


def invitations_of(*, project: Project, moment: datetime) -> QuerySet[Invitation]:
    """Return the open invitations of a project, newest first."""
    return (
        Invitation.objects.filter(
            project=project, accepted_at=None, revoked_at=None, expires_at__gt=moment
        )
        .select_related("invited_by")
        .order_by("-id")
    )


def found_invitations(*, project: Project, query: str, moment: datetime) -> QuerySet[Invitation]:
    """Return the open invitations whose address or id holds a text."""
    rows = invitations_of(project=project, moment=moment)
    return rows.filter(Q(email__icontains=query) | Q(public_id=query)) if query else rows


def sent_since(moment: datetime, *, project: Project, mailbox: str) -> QuerySet[Invitation]:
    """Return what a project, or whoever else to something like a mailbox, sent since a moment.

    Whatever became of it.
    """
    local, _, host = mailbox.rpartition("@")
    alike = Q(email__istartswith=local, email__iendswith=f"@{host}")
    return Invitation.objects.filter(Q(project=project) | alike, invited_at__gt=moment)


def invitation_of(*, project: Project, public_id: str, moment: datetime) -> Invitation | None:
    """Return one open invitation of a project."""
    return invitations_of(project=project, moment=moment).filter(public_id=public_id).first()


def invitation_by_digest(digest: str, moment: datetime) -> Invitation | None:
    """Return the open invitation an e-mail speaks of."""
    found = Invitation.objects.select_related("project", "invited_by").filter(digest=digest)
    invitation = found.first()
    return invitation if invitation and invitation.is_pending(moment) else None


def closed_invitation(digest: str) -> Invitation | None:
    """Return an invitation that was used, or not used in time; one taken back tells nothing."""
    found = Invitation.objects.select_related("project", "invited_by").filter(digest=digest)
    return found.filter(revoked_at=None, project__delete_after=None).first()
