"""A project's settings: its name, its second factor, the ids that never change, and its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts import selectors as accounts
from common.problems import Problem
from dashboard.project.forms import OriginsForm, ProjectForm
from dashboard.shell import reauthentication
from dashboard.shell.confirm import Confirmation, confirm
from dashboard.shell.contexts import Chip, Crumb, Shell, crumbs_to, may, shell_for, tabs_of_settings
from dashboard.shell.door import action, project_page, show
from dashboard.shell.forms import HTTP_UNPROCESSABLE, attach
from projects import selectors, services
from projects.rules import Role

if TYPE_CHECKING:
    from projects.access import Seat


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a project, and what of them this seat may change."""

    shell: Shell
    crumbs: tuple[Crumb, ...]
    tabs: tuple[Chip, ...]
    form: ProjectForm
    origins: OriginsForm
    role: str
    may_rename: bool
    may_own: bool
    needs_factor: bool
    has_factor: bool
    is_alone: bool


@require_http_methods(["GET", "POST"])
@project_page(to_send=Role.ADMIN)
def settings(request: HttpRequest, seat: Seat) -> HttpResponse:
    """Show the settings; admins and owners may change the name."""
    sent = request.POST if request.method == "POST" else None
    form = ProjectForm(sent, initial={"name": seat.project.name})
    if form.is_valid():
        name = form.cleaned_data["name"]
        try:
            services.rename_project(project=seat.project, name=name, by=seat.actor)
        except Problem as problem:
            attach(form, problem)
        else:
            messages.success(request, "The project has its new name.")
            return redirect("project:settings", seat.project.public_id)
    status = HTTP_UNPROCESSABLE if form.is_bound else 200
    return show(request, "dashboard/project/settings.html", _context(seat, form), status=status)


@action(back="settings", at_least=Role.ADMIN)
def origins(request: HttpRequest, seat: Seat) -> HttpResponse:
    """Take the list of pages that may read what the endpoints answer."""
    form = OriginsForm(request.POST)
    # A form without the field is no wish for an empty list.
    if form.is_valid() and "origins" in request.POST:
        wanted = form.cleaned_data["origins"].split()
        try:
            services.allow_origins(project=seat.project, origins=wanted, by=seat.actor)
        except Problem as problem:
            form.add_error("origins", problem.message)
        else:
            messages.success(request, "The list of pages is saved. It holds within a second.")
            return redirect("project:settings", seat.project.public_id)
    context = _context(seat, ProjectForm(initial={"name": seat.project.name}), form)
    return show(request, "dashboard/project/settings.html", context, status=HTTP_UNPROCESSABLE)


@action(back="settings", at_least=Role.OWNER)
def second_factor(request: HttpRequest, seat: Seat) -> HttpResponse:
    """Ask a second factor of everybody in the project, or of nobody."""
    wanted = request.POST.get("required", "")
    if wanted not in {"0", "1"}:
        form = ProjectForm(initial={"name": seat.project.name})
        context = _context(seat, form)
        return show(request, "dashboard/project/settings.html", context, status=HTTP_UNPROCESSABLE)
    is_required = wanted == "1"
    back = reverse("project:settings", args=[seat.project.public_id])
    if not is_required and (way := reauthentication.detour(request, back=back)) is not None:
        return way
    try:
        services.require_second_factor(seat=seat, is_required=is_required)
    except Problem as problem:
        messages.error(request, problem.message)
    else:
        said = "asks for a second factor now" if is_required else "asks for no second factor"
        messages.success(request, f"The project {said}.")
    return redirect(back)


@require_http_methods(["GET", "POST"])
@project_page(at_least=Role.OWNER)
def delete(request: HttpRequest, seat: Seat) -> HttpResponse:
    """Ask for the slug and for a proof of who one is, then mark the project for deletion."""
    typed = reauthentication.typed(request)
    word = typed.get("confirmation", "") if typed else ""
    if request.method == "GET" or word != seat.project.slug:
        return confirm(request, _question(seat, word))
    if (way := reauthentication.detour(request)) is not None:
        return way
    services.mark_for_deletion(project=seat.project, slug=word, by=seat.actor)
    messages.success(request, "The project is marked for deletion. Its keys have stopped.")
    return redirect("project:settings", seat.project.public_id)


@action(back="settings", at_least=Role.OWNER, even_marked=True)
def restore(request: HttpRequest, seat: Seat) -> HttpResponse:
    """Take the mark for deletion away."""
    services.restore_project(project=seat.project, by=seat.actor)
    messages.success(request, "The project is restored. Its keys and endpoints work as before.")
    return redirect("project:settings", seat.project.public_id)


def _context(seat: Seat, form: ProjectForm, origins: OriginsForm | None = None) -> Settings:
    listed = {"origins": "\n".join(seat.project.origins)}
    return Settings(
        shell=shell_for(seat, "settings"),
        crumbs=crumbs_to(seat),
        tabs=tabs_of_settings(seat, "settings"),
        form=form,
        origins=origins or OriginsForm(initial=listed),
        role=seat.role.value,
        may_rename=may(seat, Role.ADMIN),
        may_own=may(seat, Role.OWNER),
        needs_factor=seat.project.requires_second_factor,
        has_factor=seat.user is not None and accounts.has_second_factor(seat.user),
        is_alone=selectors.members_of(project=seat.project).count() == 1,
    )


def _question(seat: Seat, word: str) -> Confirmation:
    args = [seat.project.public_id]
    settings_url = reverse("project:settings", args=args)
    return Confirmation(
        shell=shell_for(seat, "settings"),
        crumbs=crumbs_to(seat, ("Settings", settings_url)),
        title=f"Delete {seat.project.name}",
        will="Its keys stop within a second and its endpoints answer nobody. For "
        f"{services.GRACE.days} days you can restore it; after that it is gone for good.",
        stays="Usage records and the ledger are kept.",
        button="Delete project",
        action=reverse("project:delete", args=args),
        cancel_url=settings_url,
        word=seat.project.slug,
        typed=word,
    )
