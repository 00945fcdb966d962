"""How a page is entered and left: a seat on the way in, one template and its context out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import update_wrapper, wraps
from typing import Any, Concatenate, ParamSpec

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods
from django_htmx.middleware import HtmxDetails

from common.actor import REQUEST_ID
from common.addresses import caller_address
from common.problems import Problem
from dashboard.shell.frame import remember
from projects import access
from projects.access import Seat
from projects.rules import Role

P = ParamSpec("P")
SeatedPage = Callable[Concatenate[HttpRequest, Seat, P], HttpResponse]

TITLES = {403: "This is not open to you", 404: "There is nothing here"}


@dataclass(frozen=True, slots=True)
class Refusal:
    """A page that says why there is nothing to see."""

    status: int
    code: str
    title: str
    text: str


def project_page(
    *,
    at_least: Role = Role.VIEWER,
    to_send: Role | None = None,
    even_marked: bool = False,
) -> Callable[[SeatedPage[P]], Callable[..., HttpResponseBase]]:
    """Open a page to the members of the project in its path who have at least this role.

    Nobody is sent to sign in; a stranger sees what a missing project shows. Any other
    ``Problem`` that the page lets out is shown as a page too. Where a form takes more than
    looking at it, ``to_send`` says what. What changes something is
    shut while the project is marked for deletion, unless ``even_marked``.
    """

    def decorate(page: SeatedPage[P]) -> Callable[..., HttpResponseBase]:
        @login_required
        @wraps(page)
        def enter(
            request: HttpRequest, project_id: str, *args: P.args, **kwargs: P.kwargs
        ) -> HttpResponseBase:
            floor = to_send if to_send and request.method == "POST" else at_least
            try:
                seat = access.seat(
                    request.user,
                    project_id,
                    at_least=floor,
                    even_marked=even_marked,
                    address=caller_address(request),
                    request_id=request.META.get(REQUEST_ID, ""),
                )
                access.check_open(seat, request.method)
                response = page(request, seat, *args, **kwargs)
            except Problem as problem:
                return refuse(request, problem)
            remember(request, response, seat.project.public_id)
            return response

        return enter

    return decorate


def action(
    *, back: str, at_least: Role, even_marked: bool = False
) -> Callable[[SeatedPage[P]], Callable[..., HttpResponseBase]]:
    """Open an address that acts on what is sent to it; ``back`` names the page it belongs to.

    Whoever only looks at it, by reloading or by an old link, is led to that page.
    """

    def decorate(page: SeatedPage[P]) -> Callable[..., HttpResponseBase]:
        def act(
            request: HttpRequest, seat: Seat, /, *args: P.args, **kwargs: P.kwargs
        ) -> HttpResponse:
            if request.method == "POST":
                return page(request, seat, *args, **kwargs)
            named = {"project_id": seat.project.public_id, **kwargs}
            return redirect(reverse(f"project:{back}", kwargs=named))

        update_wrapper(act, page)
        opened = project_page(to_send=at_least, even_marked=even_marked)(act)
        return require_http_methods(["GET", "HEAD", "POST"])(opened)

    return decorate


def show(
    request: HttpRequest, template: str, context: Any, *, status: int = 200
) -> TemplateResponse:
    """Answer with a template; ``context`` is a frozen dataclass, known there as ``page``."""
    return TemplateResponse(request, template, {"page": context}, status=status)


def is_part(request: HttpRequest) -> bool:
    """Say whether a page asks for a part of itself, without the frame around it."""
    htmx = getattr(request, "htmx", None)
    return isinstance(htmx, HtmxDetails) and bool(htmx)


def refuse(request: HttpRequest, problem: Problem) -> TemplateResponse:
    """Answer with a page that says what was refused, and what one can do instead."""
    title = TITLES.get(problem.status, "This can’t be done now")
    refusal = Refusal(problem.status, problem.code, title, problem.message)
    return show(request, "dashboard/shell/refusal.html", refusal, status=problem.status)
