"""Re-authentication: proof, a short while ago, of who one is, before a sensitive act.

The API asks for the same (``projects.access``); a test holds the two together.
"""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse

from accounts import selectors as accounts

WAITING = "typed_before_proof"
"""Where a session keeps a form while its writer says who they are: path, and fields."""
NOT_KEPT = "csrfmiddlewaretoken"


def detour(
    request: HttpRequest, *, purpose: str = "", back: str = "", said: QueryDict | None = None
) -> HttpResponse | None:
    """Return the way to a proof if there was none lately; what was typed waits meanwhile.

    After the proof the form is sent again as it was (``go-on``), so that what was asked for
    happens without pressing twice; ``purpose`` says what that is, and ``back`` where one ends
    up who gives up. ``said`` stands in for what was typed, where that may not lie around.
    """
    way = accounts.way_to_a_proof(request)
    if way is None:
        return None
    said = (said or request.POST).copy()
    said.pop(NOT_KEPT, None)
    request.session[WAITING] = {
        "path": request.get_full_path(),
        "said": said.urlencode(),
        "purpose": purpose,
        "back": back or request.path,
    }
    query = urlencode({"next": reverse("go-on")})
    return HttpResponseRedirect(f"{way}?{query}")


def typed(request: HttpRequest) -> QueryDict | None:
    """Return what was typed on this page: just now, or before a detour; none if nothing was."""
    if request.method == "POST":
        if WAITING in request.session:
            del request.session[WAITING]
        return request.POST
    waiting = request.session.get(WAITING)
    if waiting is None or waiting["path"] != request.get_full_path():
        return None
    del request.session[WAITING]
    return QueryDict(waiting["said"])
