"""Names of endpoints, keys and members, offered while one is typed: there may be thousands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from apikeys import selectors as apikeys
from common import clock
from dashboard.money.rows import ENDPOINT, KEY, WHOLE
from dashboard.shell.door import project_page, show
from dashboard.shell.lists import QUERY_MAX
from endpoints import selectors as endpoints
from projects import selectors as projects

if TYPE_CHECKING:
    from projects.access import Seat

SHOWN = 20


@dataclass(frozen=True, slots=True)
class Names:
    """A few names that fit what was typed."""

    names: tuple[str, ...]


@require_GET
@project_page()
def names(request: HttpRequest, seat: Seat) -> HttpResponse:
    """Offer names of ``of``: the newest that hold what stands in the field of that name."""
    kind = request.GET.get("of", "")
    typed = request.GET.get(kind, "").replace("\x00", "").strip()[:QUERY_MAX]
    return show(request, "dashboard/project/names.html", Names(_found(seat, kind, typed)))


def _found(seat: Seat, kind: str, typed: str) -> tuple[str, ...]:
    if kind == "subject_id":
        return _subjects(seat, typed)
    if kind == "key":
        keys = apikeys.found_keys(
            project=seat.project, query=typed, state="active", moment=clock.now()
        )
        return tuple(keys.order_by("-pk").values_list("name", flat=True)[:SHOWN])
    if kind == "member":
        people = projects.found_members(project=seat.project, query=typed)
        return tuple(people.values_list("user__email", flat=True)[:SHOWN])
    if kind == "model":
        used = endpoints.models_of(project=seat.project, query=typed)
        return tuple(used[:SHOWN])
    slugs = endpoints.found_endpoints(project=seat.project, query=typed, state="")
    return tuple(slugs.order_by("-pk").values_list("slug", flat=True)[:SHOWN])


def _subjects(seat: Seat, typed: str) -> tuple[str, ...]:
    """Offer what a budget may be for, under the words that a budget is listed by."""
    name = "" if typed == WHOLE else typed.removeprefix(ENDPOINT).removeprefix(KEY)
    slugs, keys = (_found(seat, kind, name) for kind in ("endpoint", "key"))
    return (WHOLE, *(f"{ENDPOINT}{slug}" for slug in slugs), *(f"{KEY}{key}" for key in keys))
