"""What people decide of a machine: approved, suspended, resumed, drained, revoked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from agents import lifecycle
from dashboard.machines.forms import SuspendForm
from dashboard.machines.pages import crumbs_to_machines, found_agent
from dashboard.shell.confirm import Confirmation, confirm
from dashboard.shell.contexts import Crumb, Shell, shell_for
from dashboard.shell.door import action, project_page, show
from dashboard.shell.forms import HTTP_UNPROCESSABLE
from projects.rules import Role

if TYPE_CHECKING:
    from agents.models import Agent
    from projects.access import Seat


@dataclass(frozen=True, slots=True)
class Suspending:
    """The question why a machine is to get no new work."""

    shell: Shell
    crumbs: tuple[Crumb, ...]
    name: str
    form: SuspendForm
    cancel_url: str


@action(back="machine", at_least=Role.ADMIN)
def approve(request: HttpRequest, seat: Seat, agent_id: str) -> HttpResponse:
    """Let a machine that waits work."""
    agent = found_agent(seat, agent_id)
    if agent.state == "pending":
        lifecycle.approve_agent(agent=agent, by=seat.actor)
        messages.success(request, f"“{agent.name}” is approved.")
    return redirect(_url(seat, agent))


@require_http_methods(["GET", "POST"])
@project_page(at_least=Role.ADMIN)
def suspend(request: HttpRequest, seat: Seat, agent_id: str) -> HttpResponse:
    """Ask why, then give a machine no new work."""
    agent = found_agent(seat, agent_id)
    form = SuspendForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        reason = form.cleaned_data["reason"]
        lifecycle.suspend_agent(agent=agent, reason=reason, by=seat.actor)
        messages.success(request, f"“{agent.name}” gets no new work until it is resumed.")
        return redirect(_url(seat, agent))
    context = Suspending(
        shell=shell_for(seat, "machines"),
        crumbs=_crumbs(seat, agent),
        name=agent.name,
        form=form,
        cancel_url=_url(seat, agent),
    )
    status = HTTP_UNPROCESSABLE if request.method == "POST" else 200
    return show(request, "dashboard/machines/suspend_machine.html", context, status=status)


@action(back="machine", at_least=Role.ADMIN)
def resume(request: HttpRequest, seat: Seat, agent_id: str) -> HttpResponse:
    """Let a suspended machine work again."""
    agent = found_agent(seat, agent_id)
    # Whoever waits for approval is not let in by another door.
    if agent.state == "suspended":
        lifecycle.resume_agent(agent=agent, by=seat.actor)
        messages.success(request, f"“{agent.name}” takes work again.")
    return redirect(_url(seat, agent))


@require_http_methods(["GET", "POST"])
@project_page(at_least=Role.ADMIN)
def drain(request: HttpRequest, seat: Seat, agent_id: str) -> HttpResponse:
    """Ask once, then have a machine finish what runs and end."""
    agent = found_agent(seat, agent_id)
    if request.method == "GET":
        question = Confirmation(
            shell=shell_for(seat, "machines"),
            crumbs=_crumbs(seat, agent),
            title=f"Drain “{agent.name}”",
            will="It takes nothing new within a second, finishes what runs, and then xim ends "
            "on it.",
            stays="It stays in this project. Once xim is started there again, it serves again.",
            button="Drain machine",
            action=reverse("project:drain-machine", args=[seat.project.public_id, agent.public_id]),
            cancel_url=_url(seat, agent),
        )
        return confirm(request, question)
    lifecycle.drain_agent(agent=agent, by=seat.actor)
    messages.success(request, f"“{agent.name}” finishes what runs, and ends.")
    return redirect(_url(seat, agent))


@require_http_methods(["GET", "POST"])
@project_page(at_least=Role.ADMIN)
def revoke(request: HttpRequest, seat: Seat, agent_id: str) -> HttpResponse:
    """Ask once, then close a machine out for good."""
    agent = found_agent(seat, agent_id)
    if request.method == "GET":
        question = Confirmation(
            shell=shell_for(seat, "machines"),
            crumbs=_crumbs(seat, agent),
            title=f"Revoke “{agent.name}”",
            will="Its links are cut within one second, and what runs on it breaks off. "
            "To come back it has to enrol anew, with another join key.",
            stays="Its history stays, and so does what it served. To let it finish what runs, "
            "suspend it first.",
            button="Revoke machine",
            action=reverse(
                "project:revoke-machine", args=[seat.project.public_id, agent.public_id]
            ),
            cancel_url=_url(seat, agent),
        )
        return confirm(request, question)
    lifecycle.retire_agent(agent=agent, by=seat.actor)
    messages.success(request, f"“{agent.name}” is revoked.")
    return redirect("project:machines", seat.project.public_id)


def _crumbs(seat: Seat, agent: Agent) -> tuple[Crumb, ...]:
    return crumbs_to_machines(seat, (agent.name, _url(seat, agent)))


def _url(seat: Seat, agent: Agent) -> str:
    return reverse("project:machine", args=[seat.project.public_id, agent.public_id])
