"""Asking somebody into a project, and taking that back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from common import clock
from common.problems import Problem
from dashboard.people.forms import InvitationForm
from dashboard.people.members import crumbs_to_members, revoke_url, url_of_invitations
from dashboard.people.seats import SeatForm
from dashboard.shell import reauthentication
from dashboard.shell.confirm import Confirmation, confirm
from dashboard.shell.contexts import shell_for
from dashboard.shell.door import project_page, show
from dashboard.shell.forms import HTTP_UNPROCESSABLE, attach
from projects import invitations, selectors
from projects.errors import InvitationUnknown
from projects.rules import Role

if TYPE_CHECKING:
    from projects.access import Seat
    from projects.models import Invitation


@require_http_methods(["GET", "POST"])
@project_page(at_least=Role.ADMIN)
def invite(request: HttpRequest, seat: Seat) -> HttpResponse:
    """Ask who is to come and as what; a letter with a link goes to them."""
    form = InvitationForm(reauthentication.typed(request))
    if request.method == "POST" and form.is_valid():
        if (way := reauthentication.detour(request)) is not None:
            return way
        try:
            sent = invitations.invite(
                seat=seat, email=form.cleaned_data["email"], role=Role(form.cleaned_data["role"])
            )
        except Problem as problem:
            attach(form, problem)
        else:
            messages.success(request, f"{sent.email} is invited. The e-mail is on its way.")
            return redirect(url_of_invitations(seat))
    status = HTTP_UNPROCESSABLE if request.method == "POST" else 200
    return show(request, "dashboard/people/seat_form.html", _asked(seat, form), status=status)


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


def _asked(seat: Seat, form: InvitationForm) -> SeatForm:
    return SeatForm(
        shell=shell_for(seat, "settings"),
        crumbs=crumbs_to_members(seat),
        title="Invite somebody",
        purpose="They get an e-mail with a link that is good for 7 days. Without an account yet, "
        "they register with that address first.",
        form=form,
        button="Send invitation",
        cancel_url=reverse("project:members", args=[seat.project.public_id]),
    )


def _question(seat: Seat, asked: Invitation) -> Confirmation:
    return Confirmation(
        shell=shell_for(seat, "settings"),
        crumbs=crumbs_to_members(seat),
        title=f"Revoke the invitation of {asked.email}",
        will="The link in its e-mail opens nothing any more.",
        stays="You can invite the address again at any time.",
        button="Revoke invitation",
        action=revoke_url(seat, asked),
        cancel_url=url_of_invitations(seat),
    )
