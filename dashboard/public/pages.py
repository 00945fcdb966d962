"""Pages for everyone: the front door, the theme, the way into the dashboard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_http_methods

from dashboard.examples.snippets import Snippet, snippets_for
from dashboard.shell.door import show
from dashboard.shell.processors import THEME_COOKIE, THEMES
from projects import selectors

if TYPE_CHECKING:
    from accounts.models import User

YEAR_S = 365 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Landing:
    """The front door."""

    snippets: tuple[Snippet, ...]


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """Say what this is, and show the three steps."""
    base_url = f"{settings.PUBLIC_URL}/proj_…/my-endpoint/v1"
    return show(
        request,
        "dashboard/public/home.html",
        Landing(snippets_for(task="generate", base_url=base_url, model="smollm2-135m-instruct")),
    )


@require_GET
@login_required
def enter(request: HttpRequest) -> HttpResponse:
    """Lead a person to their first project, or, without any, to where one is opened."""
    seat = selectors.seats_of(cast("User", request.user)).first()
    if seat is None:
        return redirect("new-project")
    return redirect("project:overview", seat.project.public_id)


@require_http_methods(["GET", "HEAD", "POST"])
def theme(request: HttpRequest) -> HttpResponse:
    """Remember the theme, for readers without script; with it the cookie is set there."""
    if request.method != "POST":
        return redirect("home")
    chosen = request.POST.get("theme", "")
    back = request.POST.get("next", "/")
    if not url_has_allowed_host_and_scheme(back, allowed_hosts=None):
        back = "/"
    response = redirect(back)
    if chosen in THEMES:
        response.set_cookie(THEME_COOKIE, chosen, max_age=YEAR_S, samesite="Lax")
    else:
        response.delete_cookie(THEME_COOKIE)
    return response
