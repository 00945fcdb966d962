"""Backends: the list, and the page of one. Both ask for themselves again as time goes by."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_GET

from agents import selectors
from agents.errors import BackendUnknown
from agents.sightings import worker_health
from catalog import selectors as catalog
from dashboard.machines.backend_rows import BackendRow, FoundRow, backend_row, found_rows
from dashboard.shell.contexts import (
    Chip,
    Crumb,
    Shell,
    crumbs_to,
    may,
    shell_for,
    tabs_of_machines,
)
from dashboard.shell.door import is_part, project_page, show
from dashboard.shell.lists import asked, part_of
from projects.rules import Role

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agents.models import Backend
    from agents.sightings import Health
    from projects.access import Seat


@dataclass(frozen=True, slots=True)
class BackendList:
    """A part of a project's backends."""

    shell: Shell
    crumbs: tuple[Crumb, ...]
    tabs: tuple[Chip, ...]
    backends: tuple[BackendRow, ...]
    more_url: str
    new_url: str
    live_url: str


@dataclass(frozen=True, slots=True)
class Acts:
    """What this seat may do with a backend now: where it is sent; empty: it may not."""

    ask_url: str = ""
    change_url: str = ""
    pause_url: str = ""
    resume_url: str = ""
    rotate_url: str = ""
    remove_url: str = ""


@dataclass(frozen=True, slots=True)
class BackendPage:
    """One backend: how it is, what it serves, what else it has."""

    shell: Shell
    crumbs: tuple[Crumb, ...]
    backend: BackendRow
    operations: tuple[str, ...]
    others: tuple[FoundRow, ...]
    added_at: datetime
    asked_at: datetime
    acts: Acts
    live_url: str


@require_GET
@project_page()
def backend_list(request: HttpRequest, seat: Seat) -> HttpResponse:
    """List the backends, newest first, with what gateways see of them."""
    url = list_url(seat)
    rows, finder = part_of(
        selectors.backends_of(project=seat.project), request, asked(request, url, "")
    )
    seen = _seen(rows)
    may_add = may(seat, Role.ADMIN)
    context = BackendList(
        shell=shell_for(seat, "machines"),
        crumbs=crumbs_to(seat),
        tabs=tabs_of_machines(seat, "backends"),
        backends=tuple(backend_row(seat.project, row, seen) for row in rows),
        more_url=finder.more_url,
        new_url=reverse("project:new-backend", args=[seat.project.public_id]) if may_add else "",
        live_url=request.get_full_path(),
    )
    name = "backend_list" if is_part(request) else "backends"
    return show(request, f"dashboard/machines/{name}.html", context)


@require_GET
@project_page()
def backend_page(request: HttpRequest, seat: Seat, backend_id: str) -> HttpResponse:
    """Show one backend."""
    backend = found_backend(seat, backend_id)
    others = [one for one in backend.found if one["name"] not in backend.chosen]
    context = BackendPage(
        shell=shell_for(seat, "machines"),
        crumbs=crumbs_to_backends(seat),
        backend=backend_row(seat.project, backend, _seen([backend])),
        operations=tuple(backend.operations),
        others=found_rows(others, {}, catalog.listed_names()),
        added_at=backend.added_at,
        asked_at=backend.asked_at,
        acts=_acts(seat, backend),
        live_url=request.path,
    )
    name = "backend_now" if is_part(request) else "backend"
    return show(request, f"dashboard/machines/{name}.html", context)


def found_backend(seat: Seat, backend_id: str) -> Backend:
    """Return a backend of the seat's project. Raises ``BackendUnknown``."""
    backend = selectors.backend_of(project=seat.project, public_id=backend_id)
    if backend is None:
        raise BackendUnknown("This project has no such backend.")
    return backend


def list_url(seat: Seat) -> str:
    """Return where the list is."""
    return reverse("project:backends", args=[seat.project.public_id])


def crumbs_to_backends(seat: Seat, *more: tuple[str, str]) -> tuple[Crumb, ...]:
    """Return the way to what lies behind the list of backends."""
    machines = reverse("project:machines", args=[seat.project.public_id])
    steps = (("Machines", machines), ("Backends by URL", list_url(seat)))
    return crumbs_to(seat, *steps, *more)


def _seen(rows: Iterable[Backend]) -> dict[str, Health]:
    return worker_health([worker.public_id for row in rows for worker in row.workers.all()])


def _acts(seat: Seat, backend: Backend) -> Acts:
    if not may(seat, Role.ADMIN):
        return Acts()
    args = [seat.project.public_id, backend.public_id]

    def url(act: str) -> str:
        return reverse(f"project:{act}-backend", args=args)

    return Acts(
        ask_url=url("ask"),
        change_url=url("change"),
        pause_url=url("pause") if backend.state == "active" else "",
        resume_url=url("resume") if backend.state == "paused" else "",
        rotate_url=url("rotate"),
        remove_url=url("remove"),
    )
