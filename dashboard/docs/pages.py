"""The guides in ``docs/``, at ``/docs/``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET

from apikeys import selectors as apikeys
from apikeys.rules import Scope
from common import clock, tenancy
from dashboard.docs import guides
from dashboard.docs.guides import Hit, Values
from dashboard.docs.markdown import Document, Heading
from dashboard.shell.contexts import Chip
from dashboard.shell.door import show
from dashboard.shell.frame import frame_of, last_seat
from endpoints import selectors as endpoints

if TYPE_CHECKING:
    from projects.access import Seat

SECTION = 2


@dataclass(frozen=True, slots=True)
class Group:
    """A part of the menu."""

    title: str
    items: tuple[Chip, ...]


@dataclass(frozen=True, slots=True)
class Guide:
    """One guide, the menu of all, what stands in this one, and whose values are in it."""

    document: Document
    menu: tuple[Group, ...]
    sections: tuple[Heading, ...]
    values: Values
    is_filled_in: bool


@dataclass(frozen=True, slots=True)
class Search:
    """What was looked for in the guides, and where it stands."""

    query: str
    hits: tuple[Hit, ...]
    menu: tuple[Group, ...]


@require_GET
def docs(request: HttpRequest) -> HttpResponse:
    """Lead to the first guide, or say where the guides speak of something."""
    query = request.GET.get("q", "").strip()[:100]
    if not query:
        return redirect("guide", guides.FIRST)
    frame_of(request)
    found = guides.search(query, _values(request))
    return show(request, "dashboard/docs/docs_search.html", Search(query, found, menu("")))


@require_GET
def guide(request: HttpRequest, name: str) -> HttpResponse:
    """Show one guide. Only names of files that lie in the folder are ever opened."""
    if name not in guides.names():
        raise Http404
    frame_of(request)
    values = _values(request)
    document = guides.document(name, values)
    sections = tuple(heading for heading in document.headings if heading.level == SECTION)
    is_filled_in = bool(values.endpoint) and guides.has_examples(name)
    context = Guide(document, menu(name), sections, values, is_filled_in)
    return show(request, "dashboard/docs/guide.html", context)


def menu(current: str) -> tuple[Group, ...]:
    """Return the menu of all guides, in which the one of this name is marked."""
    return tuple(
        Group(title, tuple(Chip(one.label, one.url, one.name == current) for one in entries))
        for title, entries in guides.menu().items()
    )


def _values(request: HttpRequest) -> Values:
    """Return what stands in the examples: of the project the reader came from, if any."""
    seat = last_seat(request)
    return _own(seat) if seat else Values(settings.PUBLIC_URL)


def _own(seat: Seat) -> Values:
    project = seat.project
    with tenancy.within(project.pk, project.public_id):
        endpoint = endpoints.first_to_try(project=project)
        live = apikeys.live_keys(project=project, moment=clock.now())
        key = live.filter(scopes__contains=[Scope.INFERENCE]).first()
        secret = key.secrets.first() if key else None
    return Values(
        host=settings.PUBLIC_URL,
        project=project.public_id,
        endpoint=endpoint.slug if endpoint else "",
        key_hint=secret.hint if secret else "",
    )
