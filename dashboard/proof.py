"""Proof, a short while ago, of who somebody is: what comes before a sensitive act.

The API asks for the same (``projects.access``); a test holds the two together.
"""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict

from accounts import selectors as accounts

WAITING = "typed_before_proof"
"""Where a session keeps a form while its writer says who they are: path, and fields."""
NOT_KEPT = "csrfmiddlewaretoken"


def detour(request: HttpRequest, *, back: str = "") -> HttpResponse | None:
    """Return the way to a proof if there was none lately; what was typed waits meanwhile.

    It leads back to this page, or to ``back`` from where only a button is pressed.
    """
    way = accounts.way_to_a_proof(request)
    if way is None:
        return None
    said = request.POST.copy()
    said.pop(NOT_KEPT, None)
    request.session[WAITING] = {"path": request.path, "said": said.urlencode()}
    query = urlencode({"next": back or request.path})
    return HttpResponseRedirect(f"{way}?{query}")


def typed(request: HttpRequest) -> QueryDict | None:
    """Return what was typed on this page: just now, or before a detour; none if nothing was."""
    if request.method == "POST":
        return request.POST
    waiting = request.session.get(WAITING)
    if waiting is None or waiting["path"] != request.path:
        return None
    del request.session[WAITING]
    return QueryDict(waiting["said"])
