"""A project's settings: its name, and the ids that never change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from dashboard.contexts import Crumb, Shell, crumbs_to, shell_for
from dashboard.door import project_page, show
from dashboard.forms import ProjectForm
from projects import selectors
from projects.errors import RoleInsufficient
from projects.rules import Role
from projects.services import rename_project

if TYPE_CHECKING:
    from projects.access import Seat

HTTP_UNPROCESSABLE = 422


@dataclass(frozen=True, slots=True)
class Member:
    """A person and their role."""

    email: str
    name: str
    role: str


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a project."""

    shell: Shell
    crumbs: tuple[Crumb, ...]
    form: ProjectForm
    role: str
    may_rename: bool
    members: tuple[Member, ...]


@require_http_methods(["GET", "POST"])
@project_page()
def settings(request: HttpRequest, seat: Seat) -> HttpResponse:
    """Show the settings; admins and owners may change the name."""
    form = ProjectForm(request.POST or None, initial={"name": seat.project.name})
    if request.method == "POST":
        if not seat.may(Role.ADMIN):
            raise RoleInsufficient("Renaming a project takes an admin or the owner.")
        if form.is_valid():
            rename_project(project=seat.project, name=form.cleaned_data["name"], by=seat.actor)
            messages.success(request, "The project has its new name.")
            return redirect("project:settings", seat.project.public_id)
    status = HTTP_UNPROCESSABLE if form.is_bound else 200
    return show(request, "dashboard/settings.html", _context(seat, form), status=status)


def _context(seat: Seat, form: ProjectForm) -> Settings:
    return Settings(
        shell=shell_for(seat, "settings"),
        crumbs=crumbs_to(seat),
        form=form,
        role=seat.role.value,
        may_rename=seat.may(Role.ADMIN),
        members=tuple(
            Member(held.user.email, held.user.name, held.role)
            for held in selectors.members_of(project=seat.project)
        ),
    )
