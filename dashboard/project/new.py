"""A project: what it is called, the slug it keeps, and for newcomers what it begins with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from common import tenancy
from common.names import visible
from common.problems import Problem
from dashboard.keys.pages import shown_once
from dashboard.project import first_steps
from dashboard.project.forms import NewProjectForm
from dashboard.shell.door import show
from dashboard.shell.forms import HTTP_UNPROCESSABLE, attach
from dashboard.shell.frame import remember
from projects import access, selectors
from projects.access import person_actor
from projects.services import free_slug, open_project

if TYPE_CHECKING:
    from accounts.models import User
    from projects.models import Project


@dataclass(frozen=True, slots=True)
class NewProject:
    """The form of a project; whether it is its owner's first, and which model it may begin with."""

    form: NewProjectForm
    is_first: bool
    start: str


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def new_project(request: HttpRequest) -> HttpResponse:
    """Open a project whose owner is whoever asks; a first one with an endpoint and a key."""
    user = cast("User", request.user)
    is_first = not selectors.seats_of(user).exists()
    sent = request.POST if request.method == "POST" else None
    form = NewProjectForm(sent, initial=_suggested(user) if is_first else {})
    if form.is_valid():
        said = {name: form.cleaned_data[name] for name in ("name", "slug")}
        try:
            made = open_project(owner=user, by=person_actor(user, request), **said)
        except Problem as problem:
            attach(form, problem)
        else:
            return _opened(request, user, made, starts=form.cleaned_data["starts"])
    model = first_steps.served_model() if is_first else None
    context = NewProject(form, is_first, model.title if model else "")
    status = HTTP_UNPROCESSABLE if form.is_bound else 200
    return show(request, "dashboard/project/new_project.html", context, status=status)


def _opened(request: HttpRequest, user: User, made: Project, *, starts: bool) -> HttpResponse:
    issued = None
    if starts:
        issued = first_steps.make_start(project=made, user=user, by=person_actor(user, request))
    if issued is None:
        messages.success(request, f"{made.name} is open. You are its owner.")
        return redirect("project:overview", made.public_id)
    with tenancy.within(made.pk, made.public_id):
        context = shown_once(access.seat(user, made.public_id), issued)
    # No redirect on purpose: a page that can be fetched again would show the key twice.
    response = show(request, "dashboard/keys/key_shown_once.html", context)
    remember(request, response, made.public_id)
    return response


def _suggested(user: User) -> dict[str, Any]:
    wish = visible(user.name) or user.email.partition("@")[0]
    return {"name": wish, "slug": free_slug(wish), "starts": True}
