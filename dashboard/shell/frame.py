"""The frame around pages that belong to no project: that of the project one came from.

Docs and the pages of an account are read from inside a project as a rule, and whoever reads
them is not thrown out of it: a cookie names the project that was open last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from common.actor import REQUEST_ID
from common.addresses import caller_address
from common.problems import Problem
from dashboard.shell.contexts import Shell, shell_for
from projects import access, selectors

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from accounts.models import User
    from projects.access import Seat

PROJECT_COOKIE = "xero_project"
YEAR_S = 365 * 24 * 3600
DOCS = "/docs/"
_SEAT, _SHELL = "_xero_seat", "_xero_shell"


def remember(request: HttpRequest, response: HttpResponseBase, public_id: str) -> None:
    """Let the browser say next time which project was open."""
    if request.COOKIES.get(PROJECT_COOKIE) != public_id:
        response.set_cookie(
            PROJECT_COOKIE,
            public_id,
            max_age=YEAR_S,
            httponly=True,
            samesite="Lax",
            secure=request.is_secure(),
        )


def last_seat(request: HttpRequest) -> Seat | None:
    """Return the reader's seat in the project that was open last, or in their first one.

    None for whoever is not signed in, has no seat at all, or has to set up a second factor.
    It names no project to the database: what is read for it is read ``tenancy.within`` it.
    """
    if not hasattr(request, _SEAT):
        setattr(request, _SEAT, _find(request))
    return cast("Seat | None", getattr(request, _SEAT))


def frame_of(request: HttpRequest) -> Shell | None:
    """Return the frame of the project one came from, once for each request."""
    if not hasattr(request, _SHELL):
        found = last_seat(request)
        current = "docs" if request.path.startswith(DOCS) else ""
        setattr(request, _SHELL, shell_for(found, current) if found else None)
    return cast("Shell | None", getattr(request, _SHELL))


def _find(request: HttpRequest) -> Seat | None:
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return None
    for public_id in (request.COOKIES.get(PROJECT_COOKIE, ""), _first(user)):
        found = _try(request, public_id)
        if found is not None:
            return found
    return None


def _first(user: User) -> str:
    held = selectors.seats_of(user).first()
    return held.project.public_id if held else ""


def _try(request: HttpRequest, public_id: str) -> Seat | None:
    try:
        return access.seat(
            request.user,
            public_id,
            address=caller_address(request),
            request_id=request.META.get(REQUEST_ID, ""),
        )
    except Problem:
        return None
