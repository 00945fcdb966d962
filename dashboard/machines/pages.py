"""Machines: the list, and the page of one. Both ask for themselves again as time goes by."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_GET

from agents import links, selectors
from agents.errors import AgentUnknown
from catalog import selectors as catalog
from common import clock
from dashboard.machines.charts import charts_of
from dashboard.machines.rows import (
    LinkRow,
    MachineRow,
    fact_rows,
    link_rows,
    machine_row,
)
from dashboard.machines.served import endpoint_rows
from dashboard.shell.charts import Chart
from dashboard.shell.contexts import Chip, Crumb, Shell, crumbs_to, may, shell_for, tabs_of_machines
from dashboard.shell.door import is_part, project_page, show
from dashboard.shell.lists import Finder, asked, part_of
from enrolment import selectors as enrolment
from projects.rules import Role

if TYPE_CHECKING:
    from agents.models import Agent, AgentEvent
    from projects.access import Seat

EVENTS_SHOWN = 50
STATES = {"all": "All", "pending": "Pending", "away": "Not linked", "retired": "Revoked"}


@dataclass(frozen=True, slots=True)
class MachineList:
    """A part of a project's machines, and how the list is asked for others."""

    shell: Shell
    crumbs: tuple[Crumb, ...]
    tabs: tuple[Chip, ...]
    machines: tuple[MachineRow, ...]
    finder: Finder
    has_any: bool
    join_url: str
    platform_url: str
    live_url: str


@dataclass(frozen=True, slots=True)
class Decisions:
    """What this seat may decide of a machine now: where it is sent; empty: it may not."""

    approve_url: str = ""
    suspend_url: str = ""
    resume_url: str = ""
    drain_url: str = ""
    revoke_url: str = ""


@dataclass(frozen=True, slots=True)
class EventRow:
    """Something that happened to a machine."""

    at: datetime
    what: str
    detail: str
    by: str


@dataclass(frozen=True, slots=True)
class MachinePage:
    """One machine: how it stands, what it serves, what it says of itself, what happened to it."""

    shell: Shell
    crumbs: tuple[Crumb, ...]
    machine: MachineRow
    fingerprint: str
    region: str
    enrolled_at: datetime
    brought_by: str
    facts: tuple[tuple[str, str], ...]
    links: tuple[LinkRow, ...]
    endpoints: tuple[tuple[str, str, str, str], ...]
    events: tuple[EventRow, ...]
    decisions: Decisions
    drain_asked_at: datetime | None
    live_url: str
    charts: tuple[Chart, ...] = ()


@require_GET
@project_page()
def machine_list(request: HttpRequest, seat: Seat) -> HttpResponse:
    """List the machines, newest first, with what they do now."""
    project = seat.project
    url = reverse("project:machines", args=[project.public_id])
    finder = asked(request, url, "Search by name or id", STATES)
    wanted = selectors.found_agents(project=project, query=finder.query, state=finder.state)
    agents, finder = part_of(wanted, request, finder)
    may_join = may(seat, Role.ADMIN)
    context = MachineList(
        shell=shell_for(seat, "machines"),
        crumbs=crumbs_to(seat),
        tabs=tabs_of_machines(seat, "machines"),
        machines=_rows(seat, agents),
        finder=finder,
        has_any=bool(agents) or selectors.has_any(project=project),
        join_url=reverse("project:new-join-key", args=[project.public_id]) if may_join else "",
        platform_url=settings.PUBLIC_URL,
        live_url=request.get_full_path(),
    )
    name = "machine_list" if is_part(request) else "machines"
    return show(request, f"dashboard/machines/{name}.html", context)


@require_GET
@project_page()
def machine_page(request: HttpRequest, seat: Seat, agent_id: str) -> HttpResponse:
    """Show one machine, retired ones too."""
    agent = found_agent(seat, agent_id)
    reports = links.of_agents([agent.public_id]).get(agent.public_id, [])
    brought = enrolment.brought_by(agent)
    context = MachinePage(
        shell=shell_for(seat, "machines"),
        crumbs=crumbs_to_machines(seat),
        machine=machine_row(seat.project, agent, reports, catalog.tasks()),
        fingerprint=agent.fingerprint,
        region=agent.region,
        enrolled_at=agent.enrolled_at,
        brought_by=brought.name if brought else "",
        facts=fact_rows(agent.facts),
        links=link_rows(reports),
        endpoints=endpoint_rows(seat.project, agent),
        events=tuple(event_row(one) for one in selectors.events_of(agent)[:EVENTS_SHOWN]),
        decisions=_decisions(seat, agent),
        drain_asked_at=agent.drain_asked_at,
        live_url=request.path,
        # Of whole hours, so not asked for again every five seconds.
        charts=() if is_part(request) else charts_of(seat.project, agent, clock.now()),
    )
    name = "machine_now" if is_part(request) else "machine"
    return show(request, f"dashboard/machines/{name}.html", context)


def found_agent(seat: Seat, agent_id: str) -> Agent:
    """Return a machine of the seat's project. Raises ``AgentUnknown``."""
    agent = selectors.agent_of(project=seat.project, public_id=agent_id)
    if agent is None:
        raise AgentUnknown("This project has no such machine.")
    return agent


def crumbs_to_machines(seat: Seat, *more: tuple[str, str]) -> tuple[Crumb, ...]:
    """Return the way to what lies behind the list of machines."""
    url = reverse("project:machines", args=[seat.project.public_id])
    return crumbs_to(seat, ("Machines", url), *more)


def event_row(event: AgentEvent) -> EventRow:
    """Lay out an event."""
    return EventRow(event.at, event.what, event.detail, event.by)


def _rows(seat: Seat, agents: list[Agent]) -> tuple[MachineRow, ...]:
    reports = links.of_agents(agent.public_id for agent in agents)
    tasks = catalog.tasks()
    return tuple(
        machine_row(seat.project, agent, reports.get(agent.public_id, []), tasks)
        for agent in agents
    )


def _decisions(seat: Seat, agent: Agent) -> Decisions:
    if not may(seat, Role.ADMIN) or agent.state == "retired":
        return Decisions()
    args = [seat.project.public_id, agent.public_id]

    def url(act: str, state: str) -> str:
        return reverse(f"project:{act}-machine", args=args) if agent.state == state else ""

    return Decisions(
        approve_url=url("approve", "pending"),
        suspend_url=url("suspend", "active"),
        resume_url=url("resume", "suspended"),
        drain_url=url("drain", "active") if agent.is_linked and not agent.drain_asked_at else "",
        revoke_url=url("revoke", agent.state),
    )
