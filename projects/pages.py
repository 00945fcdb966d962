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
from accounts.forms import INVITED
from accounts.models import User
from common import clock
from projects import access, invitations, selectors
from projects.errors import InvitationUnknown
from projects.models import Project


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


@dataclass(frozen=True, slots=True)
class Closed:
    """Why an invitation is not open any more, for whoever holds its link."""

    project: str
    why: str
    inviter: str
    here: str
    is_signed_in: bool


@require_http_methods(["GET", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponseBase:
    """Show what one is asked into; take the seat on POST."""
    digest = invitations.digest_of(token)
    found = _asked(request, digest)
    if found is None:
        return _no_more(request, digest)
    if request.method == "POST" and isinstance(request.user, User):
        try:
            seat = invitations.accept_invitation(
                user=request.user, token=token, by=access.person_actor(request.user, request)
            )
        except InvitationUnknown:
            return _no_more(request, digest)
        return _enter(request, seat.project)
    if not found.is_signed_in:
        # Registering asks for no address then: it is the one the invitation was sent to.
        request.session[INVITED] = {
            "path": request.path,
            "project": found.project,
            "email": found.email,
        }
    return _shown(request, found)


def _enter(request: HttpRequest, project: Project) -> HttpResponseBase:
    messages.success(request, f"You are in: {project.name}.")
    return redirect(f"/dashboard/{project.public_id}/")


def _no_more(request: HttpRequest, digest: str) -> HttpResponseBase:
    """Lead whoever has used it into the project; tell others with the link what to do."""
    found = selectors.closed_invitation(digest)
    if found is None:
        return _gone(request)
    person = request.user if isinstance(request.user, User) else None
    if person and selectors.seat_in(project=found.project, user=person) is not None:
        return _enter(request, found.project)
    closed = Closed(
        project=found.project.name,
        why="used" if found.accepted_at else "late",
        inviter=found.invited_by.email if found.invited_by else "",
        here=request.path,
        is_signed_in=person is not None,
    )
    return TemplateResponse(request, "projects/invitation.html", {"closed": closed}, status=404)


def _asked(request: HttpRequest, digest: str) -> Asked | None:
    found = selectors.invitation_by_digest(digest, clock.now())
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
