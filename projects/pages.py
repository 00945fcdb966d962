"""The page an invitation's e-mail leads to."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.views.decorators.http import require_http_methods

from accounts import selectors as accounts
from accounts.models import User
from common import clock
from projects import access, invitations, selectors
from projects.errors import InvitationUnknown


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody with the link may know. A wrong link tells nothing at all."""

    project: str
    role: str
    inviter: str
    email: str
    here: str
    is_signed_in: bool
    is_theirs: bool


@require_http_methods(["GET", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponseBase:
    """Show what one is asked into; take the seat on POST."""
    found = _asked(request, token)
    if found is None:
        return _gone(request)
    if request.method == "POST" and isinstance(request.user, User):
        try:
            seat = invitations.accept_invitation(
                user=request.user, token=token, by=access.person_actor(request.user, request)
            )
        except InvitationUnknown:
            return _gone(request)
        messages.success(request, f"You are in: {seat.project.name}.")
        return redirect(f"/dashboard/{seat.project.public_id}/")
    return _shown(request, found)


def _asked(request: HttpRequest, token: str) -> Asked | None:
    found = selectors.invitation_by_digest(invitations.digest_of(token), clock.now())
    if found is None:
        return None
    person = request.user if isinstance(request.user, User) else None
    return Asked(
        project=found.project.name,
        role=found.role,
        inviter=found.invited_by.email if found.invited_by else "",
        email=found.email,
        here=request.path,
        is_signed_in=person is not None,
        is_theirs=person is not None and found.email in accounts.verified_addresses(person),
    )


def _shown(request: HttpRequest, asked: Asked) -> HttpResponse:
    page = TemplateResponse(request, "projects/invitation.html", {"page": asked})
    # The address holds the token: it goes nowhere as a referrer, and into no shared cache.
    page.headers["Referrer-Policy"] = "no-referrer"
    page.headers["Cache-Control"] = "private, no-store"
    return page


def _gone(request: HttpRequest) -> HttpResponse:
    return TemplateResponse(request, "projects/invitation.html", {"page": None}, status=404)
