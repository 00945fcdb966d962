"""Join keys: the list, the one time a secret is shown, and the end of a join key."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from common import clock
from common.problems import Problem
from dashboard.machines.forms import JoinKeyForm
from dashboard.machines.pages import crumbs_to_machines
from dashboard.shell import reauthentication
from dashboard.shell.confirm import Confirmation, confirm
from dashboard.shell.contexts import Crumb, Shell, State, may, shell_for
from dashboard.shell.door import project_page, show
from dashboard.shell.forms import HTTP_UNPROCESSABLE, attach
from dashboard.shell.lists import asked, part_of
from enrolment import selectors, services
from enrolment.errors import JoinKeyUnknown
from projects.rules import Role

if TYPE_CHECKING:
    from enrolment.models import JoinKey
    from enrolment.services import IssuedJoinKey
    from projects.access import Seat

MACHINES_NAMED = 5
_STATES = {
    "open": State("good", "open"),
    "used_up": State("", "used up"),
    "expired": State("", "expired"),
    "revoked": State("bad", "revoked"),
}


@dataclass(frozen=True, slots=True)
class JoinKeyRow:
    """A join key in a list: what it lets in, and who came with it. Of the secret only a hint."""

    public_id: str
    name: str
    hint: str
    state: State
    uses: int
    uses_max: int | None
    name_pattern: str
    needs_approval: bool
    expires_at: datetime | None
    issued_at: datetime
    issued_by: str
    brought: tuple[tuple[str, str], ...]
    unnamed: int
    revoke_url: str


@dataclass(frozen=True, slots=True)
class JoinKeyList:
    """A part of a project's join keys."""

    shell: Shell
    crumbs: tuple[Crumb, ...]
    keys: tuple[JoinKeyRow, ...]
    more_url: str
    join_url: str


@dataclass(frozen=True, slots=True)
class NewJoinKeyPage:
    """The form of a new join key."""

    shell: Shell
    crumbs: tuple[Crumb, ...]
    form: JoinKeyForm


@dataclass(frozen=True, slots=True)
class JoinKeyShownOnce:
    """A new join key with its secret and the commands that use it, for the one page of both."""

    shell: Shell
    crumbs: tuple[Crumb, ...]
    key: JoinKeyRow
    secret: str = field(repr=False)
    commands: str = field(repr=False)
    done_url: str


@require_GET
@project_page()
def join_key_list(request: HttpRequest, seat: Seat) -> HttpResponse:
    """List the join keys, closed ones too, newest first."""
    project = seat.project
    finder = asked(request, _list_url(seat), "")
    rows, finder = part_of(selectors.join_keys_of(project=project), request, finder)
    may_join = may(seat, Role.ADMIN)
    context = JoinKeyList(
        shell=shell_for(seat, "machines"),
        crumbs=crumbs_to_machines(seat),
        keys=tuple(join_key_row(seat, row, clock.now()) for row in rows),
        more_url=finder.more_url,
        join_url=reverse("project:new-join-key", args=[project.public_id]) if may_join else "",
    )
    return show(request, "dashboard/machines/join_keys.html", context)


@never_cache
@require_http_methods(["GET", "POST"])
@project_page(at_least=Role.ADMIN)
def new_join_key(request: HttpRequest, seat: Seat) -> HttpResponse:
    """Ask whom it lets in, make the join key, and show its secret in this one answer.

    No redirect on purpose: a page that can be fetched again would show the secret twice.
    """
    form = JoinKeyForm(reauthentication.typed(request))
    if request.method == "POST" and form.is_valid():
        purpose = f"To create the join key “{form.cleaned_data['name']}”"
        if (way := reauthentication.detour(request, purpose=purpose)) is not None:
            return way
        try:
            issued = _issue(seat, form)
        except Problem as problem:
            attach(form, problem)
        else:
            shown = _shown_once(seat, issued)
            return show(request, "dashboard/machines/join_key_shown_once.html", shown)
    context = NewJoinKeyPage(shell_for(seat, "machines"), _crumbs(seat), form)
    status = HTTP_UNPROCESSABLE if request.method == "POST" else 200
    return show(request, "dashboard/machines/new_join_key.html", context, status=status)


@require_http_methods(["GET", "POST"])
@project_page(at_least=Role.ADMIN)
def revoke_join_key(request: HttpRequest, seat: Seat, join_key_id: str) -> HttpResponse:
    """Ask once, then let no more machines in by it."""
    key = selectors.join_key_of(project=seat.project, public_id=join_key_id)
    if key is None:
        raise JoinKeyUnknown("This project has no such join key.")
    if request.method == "GET":
        question = Confirmation(
            shell=shell_for(seat, "machines"),
            crumbs=_crumbs(seat),
            title=f"Revoke the join key “{key.name}”",
            will="No more machines join with it. A revoked join key can't be brought back.",
            stays="The machines that came with it stay and go on working.",
            button="Revoke join key",
            action=reverse("project:revoke-join-key", args=[seat.project.public_id, key.public_id]),
            cancel_url=_list_url(seat),
        )
        return confirm(request, question)
    services.revoke_join_key(join_key=key, by=seat.actor)
    messages.success(request, f"The join key “{key.name}” is revoked.")
    return redirect(_list_url(seat))


def join_key_row(seat: Seat, key: JoinKey, now: datetime) -> JoinKeyRow:
    """Lay out a join key; ``revoke_url`` is empty where this seat may not revoke it."""
    project = seat.project.public_id
    # Also one that is used up: its name is free for another only when it is revoked.
    may_revoke = may(seat, Role.ADMIN) and key.revoked_at is None
    came = [use.agent for use in key.uses_made.all()]
    return JoinKeyRow(
        public_id=key.public_id,
        name=key.name,
        hint=key.hint,
        state=_STATES[key.state(now)],
        uses=key.uses,
        uses_max=key.uses_max,
        name_pattern=key.name_pattern,
        needs_approval=key.needs_approval,
        expires_at=key.expires_at,
        issued_at=key.issued_at,
        issued_by=key.issued_by.email if key.issued_by else "",
        brought=tuple(
            (agent.name, reverse("project:machine", args=[project, agent.public_id]))
            for agent in came[:MACHINES_NAMED]
        ),
        unnamed=max(0, len(came) - MACHINES_NAMED),
        revoke_url=(
            reverse("project:revoke-join-key", args=[project, key.public_id]) if may_revoke else ""
        ),
    )


def _issue(seat: Seat, form: JoinKeyForm) -> IssuedJoinKey:
    issuer_pk = seat.maker.pk if seat.maker else None
    return services.issue_join_key(form.new_key(seat.project), issuer_pk=issuer_pk, by=seat.actor)


def _shown_once(seat: Seat, issued: IssuedJoinKey) -> JoinKeyShownOnce:
    return JoinKeyShownOnce(
        shell=shell_for(seat, "machines"),
        crumbs=_crumbs(seat),
        key=join_key_row(seat, issued.join_key, clock.now()),
        secret=issued.secret,
        commands=_commands(issued.secret),
        done_url=reverse("project:machines", args=[seat.project.public_id]),
    )


def _commands(secret: str) -> str:
    url = shlex.quote(settings.PUBLIC_URL)
    return f"xim enroll --url {url} --join-key {secret}\nxim run --engine vllm"


def _crumbs(seat: Seat) -> tuple[Crumb, ...]:
    return crumbs_to_machines(seat, ("Join keys", _list_url(seat)))


def _list_url(seat: Seat) -> str:
    return reverse("project:join-keys", args=[seat.project.public_id])
