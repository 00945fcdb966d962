"""Proof, a short while ago, of who somebody is: what comes before a sensitive act.

A session may be hours old and the machine borrowed. Signing in counts as a proof, and so does
saying a password, a code or a passkey again.
"""

from __future__ import annotations

import time
from urllib.parse import urlencode

from allauth.account import app_settings
from allauth.account.adapter import get_adapter
from allauth.account.authentication import get_authentication_records
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict

WAITING = "typed_before_proof"
"""Where a session keeps a form while its writer says who they are: path, and fields."""
NOT_KEPT = "csrfmiddlewaretoken"


def detour(request: HttpRequest, *, back: str = "") -> HttpResponse | None:
    """Return the way to a proof if there was none lately; what was typed waits meanwhile.

    It leads back to this page, or to ``back`` from where only a button is pressed.
    Who has neither password nor second factor can prove nothing here (another site vouches
    for them) and is let through, as allauth does (``did_recently_reauthenticate``; its issue
    3030). A project that requires a second factor has nobody like that.
    """
    methods = get_adapter().get_reauthentication_methods(request.user)
    if not methods or _is_proven(request):
        return None
    said = request.POST.copy()
    said.pop(NOT_KEPT, None)
    request.session[WAITING] = {"path": request.path, "said": said.urlencode()}
    query = urlencode({"next": back or request.path})
    return HttpResponseRedirect(f"{methods[0]['url']}?{query}")


def typed(request: HttpRequest) -> QueryDict | None:
    """Return what was typed on this page: just now, or before a detour; none if nothing was."""
    if request.method == "POST":
        return request.POST
    waiting = request.session.get(WAITING)
    if waiting is None or waiting["path"] != request.path:
        return None
    del request.session[WAITING]
    return QueryDict(waiting["said"])


def _is_proven(request: HttpRequest) -> bool:
    records = get_authentication_records(request, request.user)
    latest = max((record["at"] for record in records), default=0.0)
    return bool(time.time() - latest < app_settings.REAUTHENTICATION_TIMEOUT)
