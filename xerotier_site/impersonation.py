"""Impersonation: the platform through somebody's eyes, for support, read only, on record.

The operator's session stays the operator's. While it says so, pages outside the console are
shown as that person sees them; nothing can be sent, and pages about secrets stay shut.
"""

from __future__ import annotations

import re
from contextlib import ExitStack
from datetime import timedelta

from django.contrib import admin
from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods
from psycopg.errors import ReadOnlySqlTransaction

from accounts import services
from accounts.models import User
from audit import services as audit
from common import clock
from common.admin import operator
from common.problems import Problem
from projects.selectors import seats_of
from xerotier_site.middleware import CONSOLE, Step

SEEN, UNTIL = "seeing_as", "seeing_as_until"
SEEN_AS, WRITING = "xerotier.seen_as", "xerotier.seen_writing"
PATIENCE = timedelta(minutes=30)
SAFE = frozenset({"GET", "HEAD"})
SHUT = re.compile(r"^/(auth|invitations)/|/playground(/|$)|\b(keys?|secrets?|tokens?|exports?)\b")
"""What an operator has no business to see: how people sign in, and what they sign in with."""


@admin.site.admin_view
@require_http_methods(["GET", "POST"])
def begin(request: HttpRequest, user_id: int) -> HttpResponse:
    """Ask, and on a yes begin to show the platform as ``user_id`` sees it."""
    user = User.objects.filter(pk=user_id).first()
    if not isinstance(request.user, User) or not request.user.is_superuser:
        return HttpResponse(status=403)
    if request.method == "GET":
        context = {**admin.site.each_context(request), "seen": user, "title": "Look as a person"}
        return render(request, "accounts/see_as.html", context)
    try:
        services.see_as(user=user, by=operator(request))
    except Problem as problem:
        return HttpResponse(problem.message, status=problem.status, content_type="text/plain")
    request.session[SEEN] = user_id
    request.session[UNTIL] = (clock.now() + PATIENCE).timestamp()
    # Not the dashboard's own entrance: it opens a first project for whoever has none.
    seat = seats_of(user).first() if user else None
    return redirect(f"/dashboard/{seat.project.public_id}/" if seat else "/")


@require_http_methods(["GET", "HEAD", "POST"])
def end(request: HttpRequest) -> HttpResponse:
    """Look through one's own eyes again; a look at this address leads to the console."""
    if request.method != "POST":
        return redirect("admin:index")
    seen = request.session.pop(SEEN, None)
    if seen is not None and request.user.is_staff:
        with transaction.atomic():
            audit.record(
                by=operator(request),
                action="person.looked_away",
                subject=("person", str(seen)),
            )
    return redirect("admin:index")


def middleware(get_response: Step) -> Step:
    """Show pages as the person the session names, and refuse everything but looking."""

    def step(request: HttpRequest) -> HttpResponse:
        seen = None if request.path.startswith((CONSOLE, "/static/")) else _seen(request)
        if seen is None:
            return get_response(request)
        if request.method not in SAFE or SHUT.search(request.path):
            return _shut(request, seen)
        request.user = seen
        request.META[SEEN_AS] = seen.email
        response = _without_writing(get_response, request)
        return _shut(request, seen) if WRITING in request.META else response

    step.process_exception = _stop_writing  # type: ignore[attr-defined] # why: Django looks there
    return step


def _without_writing(get_response: Step, request: HttpRequest) -> HttpResponse:
    """Answer inside read-only transactions: some pages make what is missing when first seen."""
    with ExitStack() as all_databases:
        for alias in connections:
            all_databases.enter_context(transaction.atomic(using=alias))
            with connections[alias].cursor() as cursor:
                cursor.execute("SET TRANSACTION READ ONLY")
        response = get_response(request)
        for alias in connections:
            transaction.set_rollback(True, using=alias)
    return response


def _stop_writing(request: HttpRequest, fault: Exception) -> HttpResponse | None:
    if SEEN_AS not in request.META or not isinstance(fault.__cause__, ReadOnlySqlTransaction):
        return None
    # The page that says so is made once the broken transaction is left.
    request.META[WRITING] = True
    return HttpResponse(status=403)


def _shut(request: HttpRequest, seen: User) -> HttpResponse:
    return render(request, "accounts/only_looking.html", {"seen": seen}, status=403)


def banner(request: HttpRequest) -> dict[str, str]:
    """Say on every page whose eyes these are."""
    return {"seen_as": request.META.get(SEEN_AS, "")}


def _seen(request: HttpRequest) -> User | None:
    seen = request.session.get(SEEN)
    if seen is None or not isinstance(request.user, User) or not request.user.is_superuser:
        return None
    if request.session[UNTIL] < clock.now().timestamp():
        del request.session[SEEN]
        return None
    return User.objects.filter(pk=seen, is_active=True, is_staff=False).first()
