"""What holds for every page: whose forwarded headers count, what a browser may do, who needs more.

Each is a function of the next step, as Django wants it.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from csp import constants as csp
from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from accounts.errors import SecondFactorRequired
from accounts.models import User
from api.problems import envelope
from common.addresses import is_from_a_proxy
from common.problems import Problem
from inference.edges.asgi import PEER

Step = Callable[[HttpRequest], HttpResponse]

STRANGERS_S = 3600
CONSOLE = "/admin/"
FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_HOST")
PERMISSIONS = ", ".join(
    f"{feature}=()"
    for feature in (
        "accelerometer",
        "autoplay",
        "browsing-topics",
        "camera",
        "display-capture",
        "geolocation",
        "gyroscope",
        "magnetometer",
        "microphone",
        "midi",
        "payment",
        "usb",
        "xr-spatial-tracking",
    )
)
SECOND_FACTORS = [Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN]
"""What counts as one; recovery codes only stand in for these."""
INTERFACE = "/proj_"
OPEN_WITHOUT = ("/auth/", "/static/", "/theme/")
"""Where a person without a second factor may go: to set one up, or to sign out."""


def strangers_words(get_response: Step) -> Step:
    """Forget forwarding headers that no trusted proxy wrote."""

    def step(request: HttpRequest) -> HttpResponse:
        if not _is_forwarded(request):
            for name in FORWARDED:
                request.META.pop(name, None)
        return get_response(request)

    return step


def _is_forwarded(request: HttpRequest) -> bool:
    """Say whether a proxy of ours speaks for the caller.

    Our server has decided it: behind it the request's address is the caller's own already, and
    asking whether *that* is a proxy would drop what the proxy said of everybody.
    """
    peer = (getattr(request, "scope", {}).get("extensions") or {}).get(PEER)
    return bool(peer["is_proxy"]) if peer else is_from_a_proxy(request)


def page_headers(get_response: Step) -> Step:
    """Say which powers of the browser our pages do without, and loosen the console's policy.

    The console's skin evaluates expressions and sets styles inline; nothing else does.
    """

    def step(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers.setdefault("Permissions-Policy", PERMISSIONS)
        if request.path.startswith(CONSOLE):
            # django-csp reads its exceptions from the response.
            response._csp_update = {  # type: ignore[attr-defined]  # noqa: SLF001
                "script-src": [csp.UNSAFE_EVAL],
                "style-src": [csp.UNSAFE_INLINE],
            }
        if request.user.is_authenticated and not response.has_header("Cache-Control"):
            # A shared computer's back button shows no one what another person saw.
            response.headers["Cache-Control"] = "private, no-store"
        return response

    return step


def no_nul(get_response: Step) -> Step:
    """Know no address with a NUL in it: PostgreSQL takes none in text, and no id has one."""

    def step(request: HttpRequest) -> HttpResponse:
        if "\0" in request.path_info:
            raise Http404
        return get_response(request)

    return step


def farewell(get_response: Step) -> Step:
    """Leave for another site by a page, not by the answer to a form.

    Browsers hold the redirect after a form against ``form-action``; the page keeps that at
    ``'self'`` everywhere, whatever providers an operator sets up.
    """

    def step(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if request.method == "POST" and isinstance(response, HttpResponseRedirect):
            target = urlsplit(response.url)
            if target.netloc and target.netloc != request.get_host():
                page = render(
                    request, "accounts/farewell.html", {"url": response.url, "host": target.netloc}
                )
                page.cookies = response.cookies
                return page
        return response

    return step


def short_memory(get_response: Step) -> Step:
    """Keep what strangers leave in a session for an hour: anybody may begin one."""

    def step(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        session = request.session
        if session.modified and not session.is_empty():
            is_short = session.get("_session_expiry") == STRANGERS_S
            if not request.user.is_authenticated:
                session.set_expiry(STRANGERS_S)
            elif is_short:
                session.set_expiry(None)
        return response

    return step


def second_factor(get_response: Step) -> Step:
    """Send whoever must have a second factor, and has none, to set one up."""

    def step(request: HttpRequest) -> HttpResponse:
        if _lacks_a_factor(request):
            if request.path.startswith(INTERFACE):
                return refusal(SecondFactorRequired())
            messages.info(request, "Set up a second factor first: this place asks for one.")
            return redirect("mfa_index")
        return get_response(request)

    return step


def refusal(problem: Problem) -> JsonResponse:
    """Return a problem in the API's envelope, for what is refused before any view."""
    said = envelope(message=problem.message, kind=problem.kind, code=problem.code)
    return JsonResponse(said, status=problem.status)


def _lacks_a_factor(request: HttpRequest) -> bool:
    user = request.user
    if not isinstance(user, User) or request.path.startswith(OPEN_WITHOUT):
        return False
    is_console = request.path.startswith(CONSOLE) and request.path != reverse("admin:logout")
    is_wanted = settings.REQUIRE_2FA or (
        settings.REQUIRE_STAFF_2FA and user.is_staff and is_console
    )
    return is_wanted and not is_mfa_enabled(user, SECOND_FACTORS)
