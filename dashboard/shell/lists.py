"""Lists that are searched, filtered and read part by part: the state of each lives in its URL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlencode

from dashboard.shell.contexts import Chip

if TYPE_CHECKING:
    from django.db.models import Model, QuerySet
    from django.http import HttpRequest

PAGE = 50
QUERY_MAX = 80

Row = TypeVar("Row", bound="Model")


@dataclass(frozen=True, slots=True)
class Finder:
    """What a list is asked for: words, one of its filters, and where its next part is."""

    url: str
    label: str
    query: str
    state: str
    chips: tuple[Chip, ...]
    more_url: str = ""

    @property
    def is_filtered(self) -> bool:
        """Say whether the list shows less than it does by itself."""
        return bool(self.query) or any(chip.is_current for chip in self.chips[1:])


def asked(
    request: HttpRequest, url: str, label: str, states: Mapping[str, str] | None = None
) -> Finder:
    """Return what a list's URL asks for; the first of ``states`` is what it shows by itself."""
    states = states or {}
    query = request.GET.get("q", "").replace("\x00", "").strip()[:QUERY_MAX]
    standard = next(iter(states), "")
    said = request.GET.get("state", "")
    state = said if said in states else standard
    chips = tuple(
        Chip(title, _url(url, q=query, state="" if name == standard else name), name == state)
        for name, title in states.items()
    )
    return Finder(url, label, query, state, chips)


def part_of(
    rows: QuerySet[Row],
    request: HttpRequest,
    finder: Finder,
    *,
    limit: int = PAGE,
    oldest_first: bool = False,
) -> tuple[list[Row], Finder]:
    """Return one part of rows, newest first, and the finder that knows where the next begins.

    Paged by key: a part is one range of the index, and never shifts under the reader.
    """
    after = request.GET.get("after", "")
    if after.isdecimal() and len(after) < len(str(2**63)):
        rows = rows.filter(**{"pk__gt" if oldest_first else "pk__lt": int(after)})
    found = list(rows.order_by("pk" if oldest_first else "-pk")[: limit + 1])
    if len(found) <= limit:
        return found, finder
    kept = finder.state if any(chip.is_current for chip in finder.chips[1:]) else ""
    more = _url(finder.url, q=finder.query, state=kept, after=str(found[limit - 1].pk))
    return found[:limit], Finder(
        finder.url, finder.label, finder.query, finder.state, finder.chips, more
    )


def _url(base: str, **said: str) -> str:
    kept = {name: value for name, value in said.items() if value}
    return f"{base}?{urlencode(kept)}" if kept else base
