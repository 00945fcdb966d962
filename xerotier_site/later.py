"""Pages for what can't be answered now: 503 when we are busy, 429 for whoever asks too often.

Pages are counted by person, and by address where nobody is signed in; the API counts for itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views import defaults

from api.middleware import counts_for_itself
from common.addresses import caller_address
from common.busy import as_later
from common.problems import Later, TooOften
from common.rest.throttle import take

Step = Callable[[HttpRequest], HttpResponse]


class LaterPages:
    """Turn what a view raises for a while into a page; the API has its own words."""

    def __init__(self, get_response: Step) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass a request on."""
        return self._get_response(request)

    def process_exception(self, _request: HttpRequest, fault: Exception) -> HttpResponse | None:
        """Answer what a view raised, if it is for a while."""
        later = as_later(fault)
        return None if later is None else page(later)


def page_rate(get_response: Step) -> Step:
    """Let a person, or an unknown address, have so many pages a minute."""

    def step(request: HttpRequest) -> HttpResponse:
        if not counts_for_itself(request.path_info):
            rate = take(f"page:{_reader(request)}", limit=settings.PAGES_PER_MIN)
            if rate is not None and not rate.allowed:
                text = f"You have opened more than {settings.PAGES_PER_MIN} pages in a minute."
                return page(TooOften(text, wait=rate.wait_s))
        return get_response(request)

    return step


def _reader(request: HttpRequest) -> str:
    if request.user.is_authenticated:
        return f"person:{request.user.pk}"
    return f"address:{caller_address(request)}"


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer what was raised outside of a view: a page for a while, or the one for bugs."""
    later = as_later(sys.exc_info()[1])
    return defaults.server_error(request) if later is None else page(later)


def page(later: Later) -> HttpResponse:
    """Return the page of a refusal for a while. It needs no database, no session and no person."""
    text = render_to_string(
        "later.html", {"status": later.status, "message": later.message, "when": _in(later.wait)}
    )
    headers = {"Retry-After": str(later.wait), "Cache-Control": "no-store"}
    return HttpResponse(text, status=later.status, headers=headers)


def _in(seconds: int) -> str:
    """Say how long somebody has to wait, as people say it."""
    for size, unit in ((3600, "hour"), (60, "minute")):
        if seconds > size:
            count = -(-seconds // size)
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return f"{seconds} second{'s' if seconds > 1 else ''}"
