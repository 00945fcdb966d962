"""A new backend: the server is asked first, then its models are chosen.

Two steps of one form. What was typed as credential travels sealed between them, and through a
proof of who one is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from agents import backends
from agents.asking import look
from catalog import selectors as catalog
from common.problems import Problem
from dashboard.machines.backend_forms import BackendForm, chosen, sealed
from dashboard.machines.backend_rows import FoundRow, found_rows
from dashboard.machines.backends import crumbs_to_backends
from dashboard.shell import reauthentication
from dashboard.shell.contexts import Crumb, Shell, shell_for
from dashboard.shell.door import project_page, show
from dashboard.shell.forms import HTTP_UNPROCESSABLE, attach
from projects.rules import Role

if TYPE_CHECKING:
    from agents.asking import Found
    from projects.access import Seat

ADD = "add"
"""What the button of the second step says; without it the server is asked."""


@dataclass(frozen=True, slots=True)
class NewBackendPage:
    """The form of a new backend; with ``models`` it was asked, and these were found."""

    shell: Shell
    crumbs: tuple[Crumb, ...]
    form: BackendForm
    models: tuple[FoundRow, ...]
    names: Sequence[str]
    kept: str = field(default="", repr=False)


@never_cache
@require_http_methods(["GET", "POST"])
@project_page(at_least=Role.ADMIN)
def new_backend(request: HttpRequest, seat: Seat) -> HttpResponse:
    """Ask where it is, ask it what it serves, and add it with what was chosen."""
    form = BackendForm(reauthentication.typed(request))
    if request.method != "POST" or not form.is_valid():
        status = HTTP_UNPROCESSABLE if request.method == "POST" else 200
        return _shown(request, seat, form, None, status)
    place = f"{seat.project.public_id} {form.cleaned_data['url']}"
    credential = form.credential_for(place)
    kept = sealed(credential, place)
    said = request.POST.copy()
    said["credential"], said["kept"] = "", kept
    purpose = f"To add the backend “{form.cleaned_data['name']}”"
    if (way := reauthentication.detour(request, purpose=purpose, said=said)) is not None:
        return way
    try:
        if ADD in request.POST:
            return _added(request, seat, form, credential)
    except Problem as problem:
        attach(form, problem)
    # Where it was asked just now, in vain, it is not asked again.
    found = None if "url" in form.errors else _found(seat, form, credential)
    return _shown(request, seat, form, found, HTTP_UNPROCESSABLE if form.errors else 200, kept)


def _found(seat: Seat, form: BackendForm, credential: str) -> Found | None:
    url = form.cleaned_data["url"]
    try:
        return look(project=seat.project, url=url, credential=credential)
    except Problem as problem:
        attach(form, problem)
        return None


def _added(request: HttpRequest, seat: Seat, form: BackendForm, credential: str) -> HttpResponse:
    said = form.cleaned_data
    new = backends.NewBackend(
        name=said["name"],
        project=seat.project,
        url=said["url"],
        chosen=chosen(request.POST),
        credential=credential,
        slots=said["slots"],
    )
    added = backends.add_backend(new, by=seat.actor)
    messages.success(request, f"“{added.name}” serves this project’s endpoints from now on.")
    return redirect("project:backend", seat.project.public_id, added.public_id)


def _shown(
    request: HttpRequest,
    seat: Seat,
    form: BackendForm,
    found: Found | None,
    status: int,
    kept: str = "",
) -> HttpResponse:
    names = catalog.listed_names()
    rows = [
        {"name": one.name, "context_length": one.context_length}
        for one in (found.models if found else ())
    ]
    context = NewBackendPage(
        shell=shell_for(seat, "machines"),
        crumbs=crumbs_to_backends(seat),
        form=form,
        models=found_rows(rows, chosen(request.POST), names),
        names=names,
        kept=kept,
    )
    return show(request, "dashboard/machines/new_backend.html", context, status=status)
