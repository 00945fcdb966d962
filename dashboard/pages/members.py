"""Who sits in a project and who is asked in: the list, and the form that invites."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from common import clock
from common.problems import Problem
from dashboard import proof
from dashboard.contexts import Chip, Crumb, Shell, crumbs_to, may, shell_for, tabs_of_settings
from dashboard.door import project_page, show
from dashboard.forms import InvitationForm, attach
from dashboard.pages.confirm import Confirmation, confirm
from projects import invitations, rules, selectors
from projects.errors import InvitationUnknown
from projects.rules import Role

if TYPE_CHECKING:
    from projects.access import Seat
    from projects.models import Invitation, Membership

HTTP_UNPROCESSABLE = 422


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
    """The people of a project; no form and no invitations for whoever may not invite.

    No way to leave for its only owner.
    """

    shell: Shell
    crumbs: tuple[Crumb, ...]
    tabs: tuple[Chip, ...]
    members: tuple[MemberRow, ...]
    invitations: tuple[InvitationRow, ...]
    form: InvitationForm | None
    leave_url: str


@require_http_methods(["GET", "POST"])
@project_page(to_send=Role.ADMIN)
def members(request: HttpRequest, seat: Seat) -> HttpResponse:
    """List the people; admins and owners also see whom they asked in, and can ask more."""
    form = InvitationForm(proof.typed(request) if may(seat, Role.ADMIN) else None)
    if request.method != "POST":
        return show(request, "dashboard/members.html", _context(seat, form))
    if form.is_valid():
        if (way := proof.detour(request)) is not None:
            return way
        try:
            sent = invitations.invite(
                seat=seat, email=form.cleaned_data["email"], role=Role(form.cleaned_data["role"])
            )
        except Problem as problem:
            attach(form, problem)
        else:
            messages.success(request, f"{sent.email} is invited. The e-mail is on its way.")
            return redirect("project:members", seat.project.public_id)
    context = _context(seat, form)
    return show(request, "dashboard/members.html", context, status=HTTP_UNPROCESSABLE)


@require_http_methods(["GET", "POST"])
@project_page(at_least=Role.ADMIN)
def revoke_invitation(request: HttpRequest, seat: Seat, invitation_id: str) -> HttpResponse:
    """Ask once, then take an open invitation back."""
    found = selectors.invitation_of(
        project=seat.project, public_id=invitation_id, moment=clock.now()
    )
    if found is None:
        raise InvitationUnknown("This project has no such open invitation.")
    if request.method == "GET":
        return confirm(request, _question(seat, found))
    invitations.revoke_invitation(seat=seat, invitation=found)
    messages.success(request, f"The invitation of {found.email} is revoked.")
    return redirect("project:members", seat.project.public_id)


def crumbs_to_members(seat: Seat) -> tuple[Crumb, ...]:
    """Return the way to what lies behind the list of members."""
    args = [seat.project.public_id]
    return crumbs_to(
        seat,
        ("Settings", reverse("project:settings", args=args)),
        ("Members", reverse("project:members", args=args)),
    )


def _context(seat: Seat, form: InvitationForm) -> Members:
    may_invite = may(seat, Role.ADMIN)
    people = list(selectors.members_of(project=seat.project))
    owners = [held for held in people if held.role == Role.OWNER]
    may_leave = seat.role != Role.OWNER or len(owners) > 1
    asked = selectors.invitations_of(project=seat.project, moment=clock.now()) if may_invite else ()
    return Members(
        shell=shell_for(seat, "settings"),
        crumbs=crumbs_to(seat),
        tabs=tabs_of_settings(seat, "members"),
        members=tuple(_member_row(seat, held) for held in people),
        invitations=tuple(_invitation_row(seat, invitation) for invitation in asked),
        form=form if may_invite else None,
        leave_url=reverse("project:leave", args=[seat.project.public_id]) if may_leave else "",
    )


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


def _invitation_row(seat: Seat, asked: Invitation) -> InvitationRow:
    return InvitationRow(
        email=asked.email,
        role=asked.role,
        invited_by=asked.invited_by.email if asked.invited_by else "",
        expires_at=asked.expires_at,
        revoke_url=_revoke_url(seat, asked),
    )


def _question(seat: Seat, asked: Invitation) -> Confirmation:
    return Confirmation(
        shell=shell_for(seat, "settings"),
        crumbs=crumbs_to_members(seat),
        title=f"Revoke the invitation of {asked.email}",
        will="The link in its e-mail opens nothing any more.",
        stays="You can invite the address again at any time.",
        button="Revoke invitation",
        action=_revoke_url(seat, asked),
        cancel_url=reverse("project:members", args=[seat.project.public_id]),
    )


def _revoke_url(seat: Seat, asked: Invitation) -> str:
    return reverse("project:revoke-invitation", args=[seat.project.public_id, asked.public_id])
