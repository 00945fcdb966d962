"""Who sits in a project, and who is asked in and has not come yet: one list at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_GET

from common import clock
from dashboard.shell.contexts import Chip, Crumb, Shell, crumbs_to, may, shell_for, tabs_of_settings
from dashboard.shell.door import project_page, show
from dashboard.shell.lists import Finder, asked, part_of
from projects import rules, selectors
from projects.rules import Role

if TYPE_CHECKING:
    from projects.access import Seat
    from projects.models import Invitation, Membership

INVITED = "invited"


@dataclass(frozen=True, slots=True)
class MemberRow:
    """A person in a project; a link is empty where this seat may not follow it."""

    email: str
    name: str
    role: str
    since: datetime
    is_self: bool
    role_url: str
    remove_url: str


@dataclass(frozen=True, slots=True)
class InvitationRow:
    """Somebody who was asked in and has not come yet."""

    email: str
    role: str
    invited_by: str
    expires_at: datetime
    revoke_url: str


@dataclass(frozen=True, slots=True)
class Members:
    """A part of a project's people, or of those who were asked in by whoever may ask.

    No way to leave for its only owner.
    """

    shell: Shell
    crumbs: tuple[Crumb, ...]
    tabs: tuple[Chip, ...]
    members: tuple[MemberRow, ...]
    invitations: tuple[InvitationRow, ...]
    finder: Finder
    may_invite: bool
    leave_url: str

    @property
    def is_of_invitations(self) -> bool:
        """Say which of the two lists this is."""
        return self.finder.state == INVITED


@require_GET
@project_page()
def members(request: HttpRequest, seat: Seat) -> HttpResponse:
    """List the people, longest first; whoever may ask in can list whom they asked instead."""
    may_invite = may(seat, Role.ADMIN)
    url = reverse("project:members", args=[seat.project.public_id])
    states = _states(seat) if may_invite else {}
    finder = asked(request, url, "Search by name, address or id", states)
    people: list[Membership] = []
    invited: list[Invitation] = []
    if finder.state == INVITED:
        rows = selectors.found_invitations(
            project=seat.project, query=finder.query, moment=clock.now()
        )
        invited, finder = part_of(rows, request, finder)
    else:
        seats = selectors.found_members(project=seat.project, query=finder.query)
        people, finder = part_of(seats, request, finder, oldest_first=True)
    context = Members(
        shell=shell_for(seat, "settings"),
        crumbs=crumbs_to(seat),
        tabs=tabs_of_settings(seat, "members"),
        members=tuple(_member_row(seat, held) for held in people),
        invitations=tuple(_invitation_row(seat, asked_in) for asked_in in invited),
        finder=finder,
        may_invite=may_invite,
        leave_url=_leave_url(seat),
    )
    return show(request, "dashboard/people/members.html", context)


def crumbs_to_members(seat: Seat) -> tuple[Crumb, ...]:
    """Return the way to what lies behind the list of members."""
    args = [seat.project.public_id]
    return crumbs_to(
        seat,
        ("Settings", reverse("project:settings", args=args)),
        ("Members", reverse("project:members", args=args)),
    )


def url_of_invitations(seat: Seat) -> str:
    """Return the address of the list of open invitations."""
    return f"{reverse('project:members', args=[seat.project.public_id])}?state={INVITED}"


def revoke_url(seat: Seat, invitation: Invitation) -> str:
    """Return where an open invitation is taken back."""
    args = [seat.project.public_id, invitation.public_id]
    return reverse("project:revoke-invitation", args=args)


def _states(seat: Seat) -> dict[str, str]:
    waiting = selectors.invitations_of(project=seat.project, moment=clock.now()).count()
    return {
        "members": "Members",
        INVITED: f"Open invitations ({waiting:,})" if waiting else "Open invitations",
    }


def _leave_url(seat: Seat) -> str:
    owners = selectors.members_of(project=seat.project).filter(role=Role.OWNER)
    may_leave = seat.role != Role.OWNER or owners.count() > 1
    return reverse("project:leave", args=[seat.project.public_id]) if may_leave else ""


def _member_row(seat: Seat, held: Membership) -> MemberRow:
    is_self = seat.user is not None and held.user_id == seat.user.pk
    is_below = may(seat, Role.ADMIN) and rules.may_touch(seat.role, held.role) and not is_self
    args = [seat.project.public_id, held.public_id]
    return MemberRow(
        email=held.user.email,
        name=held.user.name,
        role=held.role,
        since=held.since,
        is_self=is_self,
        role_url=reverse("project:member-role", args=args) if is_below else "",
        remove_url=reverse("project:remove-member", args=args) if is_below else "",
    )


def _invitation_row(seat: Seat, asked_in: Invitation) -> InvitationRow:
    return InvitationRow(
        email=asked_in.email,
        role=asked_in.role,
        invited_by=asked_in.invited_by.email if asked_in.invited_by else "",
        expires_at=asked_in.expires_at,
        revoke_url=revoke_url(seat, asked_in),
    )
