"""After a proof: the form that waited for it is sent as it was."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from dashboard.shell.door import show
from dashboard.shell.reauthentication import WAITING


@dataclass(frozen=True, slots=True)
class GoOn:
    """A form that waited: where it goes, and what was typed into it."""

    action: str
    purpose: str
    back: str
    said: tuple[tuple[str, str], ...]


@never_cache
@require_GET
@login_required
def go_on(request: HttpRequest) -> HttpResponse:
    """Show what waits, as a form that its page's script sends at once; without script, a button.

    It is an ordinary form with a token of its own, so nothing is done by following a link.
    """
    waiting = request.session.get(WAITING)
    if waiting is None:
        return redirect("dashboard")
    said = QueryDict(waiting["said"])
    fields = tuple((name, value) for name, values in said.lists() for value in values)
    context = GoOn(waiting["path"], waiting["purpose"], waiting["back"], fields)
    return show(request, "dashboard/shell/go_on.html", context)
