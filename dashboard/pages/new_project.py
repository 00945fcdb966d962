"""Another project: what it is called, and the slug it keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from common.problems import Problem
from dashboard.door import show
from dashboard.forms import NewProjectForm, attach
from projects.access import person_actor
from projects.services import open_project

if TYPE_CHECKING:
    from accounts.models import User

HTTP_UNPROCESSABLE = 422


@dataclass(frozen=True, slots=True)
class NewProject:
    """The form of a new project."""

    form: NewProjectForm


@login_required
@require_http_methods(["GET", "POST"])
def new_project(request: HttpRequest) -> HttpResponse:
    """Open a project whose owner is whoever asks."""
    user = cast("User", request.user)
    form = NewProjectForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            made = open_project(owner=user, by=person_actor(user, request), **form.cleaned_data)
        except Problem as problem:
            attach(form, problem)
        else:
            messages.success(request, f"{made.name} is open. You are its owner.")
            return redirect("project:overview", made.public_id)
    status = HTTP_UNPROCESSABLE if form.is_bound else 200
    return show(request, "dashboard/new_project.html", NewProject(form), status=status)
