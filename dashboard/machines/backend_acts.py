"""What people do with a backend: change it, pause it, ask it again, rotate its credential."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from agents import backends
from catalog import selectors as catalog
from common.problems import Problem
from dashboard.machines.backend_forms import ChangeForm, CredentialForm, chosen, sealed
from dashboard.machines.backend_rows import FoundRow, found_rows
from dashboard.machines.backends import crumbs_to_backends, found_backend, list_url
from dashboard.shell import reauthentication
from dashboard.shell.confirm import Confirmation, confirm
from dashboard.shell.contexts import Crumb, Shell, shell_for
from dashboard.shell.door import action, project_page, show
from dashboard.shell.forms import HTTP_UNPROCESSABLE, attach
from projects.rules import Role

if TYPE_CHECKING:
    from agents.models import Backend
    from projects.access import Seat


@dataclass(frozen=True, slots=True)
class ChangePage:
    """The form of what may change of a backend."""

    shell: Shell
    crumbs: tuple[Crumb, ...]
    form: ChangeForm
    models: tuple[FoundRow, ...]
    names: Sequence[str]
    cancel_url: str


@dataclass(frozen=True, slots=True)
class RotatePage:
    """The form of another credential."""

    shell: Shell
    crumbs: tuple[Crumb, ...]
    form: CredentialForm
    name: str
    cancel_url: str


@require_http_methods(["GET", "POST"])
@project_page(at_least=Role.ADMIN)
def change(request: HttpRequest, seat: Seat, backend_id: str) -> HttpResponse:
    """Rename a backend, and choose its models and slots anew."""
    backend = found_backend(seat, backend_id)
    said = request.POST if request.method == "POST" else None
    form = ChangeForm(said, initial={"name": backend.name, "slots": backend.slots})
    if said is not None and form.is_valid():
        try:
            backends.change_backend(
                backend=backend, by=seat.actor, chosen=chosen(said), **form.cleaned_data
            )
        except Problem as problem:
            attach(form, problem)
        else:
            messages.success(request, f"“{backend.name}” is changed.")
            return redirect(_url(seat, backend))
    names = catalog.listed_names()
    context = ChangePage(
        shell=shell_for(seat, "machines"),
        crumbs=_crumbs(seat, backend),
        form=form,
        models=_choice(backend, chosen(said) if said else backend.chosen, names),
        names=names,
        cancel_url=_url(seat, backend),
    )
    status = HTTP_UNPROCESSABLE if said is not None else 200
    return show(request, "dashboard/machines/change_backend.html", context, status=status)


@action(back="backend", at_least=Role.ADMIN)
def pause(request: HttpRequest, seat: Seat, backend_id: str) -> HttpResponse:
    """Send a backend nothing new."""
    backend = found_backend(seat, backend_id)
    if backend.state == "active":
        backends.pause_backend(backend=backend, by=seat.actor)
        messages.success(request, f"“{backend.name}” gets no new work until it is resumed.")
    return redirect(_url(seat, backend))


@action(back="backend", at_least=Role.ADMIN)
def resume(request: HttpRequest, seat: Seat, backend_id: str) -> HttpResponse:
    """Let a paused backend serve again."""
    backend = found_backend(seat, backend_id)
    if backend.state == "paused":
        backends.resume_backend(backend=backend, by=seat.actor)
        messages.success(request, f"“{backend.name}” takes work again.")
    return redirect(_url(seat, backend))


@action(back="backend", at_least=Role.ADMIN)
def ask(request: HttpRequest, seat: Seat, backend_id: str) -> HttpResponse:
    """Ask a backend what it serves by now."""
    backend = found_backend(seat, backend_id)
    try:
        backends.ask_again(backend=backend)
    except Problem as problem:
        messages.error(request, problem.message)
    else:
        messages.success(request, f"It answers, and serves {len(backend.found)} models.")
    return redirect(_url(seat, backend))


@never_cache
@require_http_methods(["GET", "POST"])
@project_page(at_least=Role.ADMIN)
def rotate(request: HttpRequest, seat: Seat, backend_id: str) -> HttpResponse:
    """Ask for another credential, try it, and use it from then on."""
    backend = found_backend(seat, backend_id)
    form = CredentialForm(reauthentication.typed(request))
    if request.method == "POST" and form.is_valid():
        credential = form.credential_for(backend.public_id)
        said = request.POST.copy()
        said["credential"], said["kept"] = "", sealed(credential, backend.public_id)
        purpose = f"To rotate the credential of “{backend.name}”"
        if (way := reauthentication.detour(request, purpose=purpose, said=said)) is not None:
            return way
        try:
            backends.rekey_backend(backend=backend, credential=credential, by=seat.actor)
        except Problem as problem:
            form.add_error("credential", problem.message)
        else:
            messages.success(request, f"“{backend.name}” is asked with its new credential.")
            return redirect(_url(seat, backend))
    context = RotatePage(
        shell=shell_for(seat, "machines"),
        crumbs=_crumbs(seat, backend),
        form=form,
        name=backend.name,
        cancel_url=_url(seat, backend),
    )
    status = HTTP_UNPROCESSABLE if request.method == "POST" else 200
    return show(request, "dashboard/machines/rotate_backend.html", context, status=status)


@require_http_methods(["GET", "POST"])
@project_page(at_least=Role.ADMIN)
def remove(request: HttpRequest, seat: Seat, backend_id: str) -> HttpResponse:
    """Ask once, then send a backend nothing any more."""
    backend = found_backend(seat, backend_id)
    if request.method == "GET":
        question = Confirmation(
            shell=shell_for(seat, "machines"),
            crumbs=_crumbs(seat, backend),
            title=f"Remove “{backend.name}”",
            will="It gets nothing new within one second, and its credential is forgotten. "
            "Endpoints that nothing else serves answer 503.",
            stays="What runs goes on to its end, and what it served stays on record.",
            button="Remove backend",
            action=reverse(
                "project:remove-backend", args=[seat.project.public_id, backend.public_id]
            ),
            cancel_url=_url(seat, backend),
        )
        return confirm(request, question)
    backends.remove_backend(backend=backend, by=seat.actor)
    messages.success(request, f"“{backend.name}” is removed.")
    return redirect(list_url(seat))


def _choice(backend: Backend, said: dict[str, str], names: Sequence[str]) -> tuple[FoundRow, ...]:
    """Return what it serves, and above that what was chosen and is served no more."""
    known = {one["name"] for one in backend.found}
    gone = [
        {"name": name, "context_length": None}
        for name in sorted(backend.chosen)
        if name not in known
    ]
    return found_rows([*gone, *backend.found], said, names)


def _crumbs(seat: Seat, backend: Backend) -> tuple[Crumb, ...]:
    return crumbs_to_backends(seat, (backend.name, _url(seat, backend)))


def _url(seat: Seat, backend: Backend) -> str:
    return reverse("project:backend", args=[seat.project.public_id, backend.public_id])
