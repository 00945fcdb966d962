"""The management API of the machines that dial out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from agents import lifecycle, links, selectors
from agents.errors import AgentUnknown
from agents.shapes import AgentEventOut, AgentOut, AgentPatch
from common.rest import (
    ManagementView,
    Window,
    check_match,
    etag_of,
    page_of,
    page_shape,
    parse,
)
from projects.access import Seat, seat_of
from projects.rules import Role

if TYPE_CHECKING:
    from agents.models import Agent


class AgentList(ManagementView):
    """``/{project}/v1/management/agents``."""

    queries = {"GET": Window}

    @extend_schema(
        operation_id="list_agents",
        tags=["machines"],
        parameters=[Window],
        responses=page_shape("AgentPage", AgentOut),
    )
    def get(self, request: Request, project_id: str) -> Response:
        """List the project's own machines that dialled out, newest first."""
        seat = seat_of(request, project_id)
        rows = selectors.agents_of(project=seat.project).order_by("-id")
        context = {"links": links.of_agents(rows.values_list("public_id", flat=True))}
        return Response(page_of(rows, self.asked, lambda row: AgentOut(row, context=context).data))


class AgentDetail(ManagementView):
    """``/{project}/v1/management/agents/{id}``."""

    @extend_schema(operation_id="get_agent", tags=["machines"], responses=AgentOut)
    def get(self, request: Request, project_id: str, agent_id: str) -> Response:
        """Show one machine."""
        return _shown(_agent(seat_of(request, project_id), agent_id))

    @extend_schema(
        operation_id="change_agent", tags=["machines"], request=AgentPatch, responses=AgentOut
    )
    def patch(self, request: Request, project_id: str, agent_id: str) -> Response:
        """Approve a machine that waits, suspend one, resume it, or have it drain.

        Suspended, it gets no new work and keeps its link. Draining, it finishes what runs and ends.
        """
        seat = seat_of(request, project_id, at_least=Role.ADMIN)
        said = parse(AgentPatch, request)
        agent = _agent(seat, agent_id)
        check_match(request, etag_of(agent.version))
        _decide(agent, said, seat)
        return _shown(_agent(seat, agent_id))

    @extend_schema(
        operation_id="revoke_agent", tags=["machines"], request=None, responses={204: None}
    )
    def delete(self, request: Request, project_id: str, agent_id: str) -> Response:
        """Revoke a machine for good: its links are cut within a second."""
        seat = seat_of(request, project_id, at_least=Role.ADMIN)
        agent = _agent(seat, agent_id)
        check_match(request, etag_of(agent.version), is_required=False)
        lifecycle.retire_agent(agent=agent, by=seat.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


class AgentEvents(ManagementView):
    """``/{project}/v1/management/agents/{id}/events``."""

    queries = {"GET": Window}

    @extend_schema(
        operation_id="list_agent_events",
        tags=["machines"],
        parameters=[Window],
        responses=page_shape("AgentEventPage", AgentEventOut),
    )
    def get(self, request: Request, project_id: str, agent_id: str) -> Response:
        """List what happened to a machine, newest first."""
        agent = _agent(seat_of(request, project_id), agent_id)
        rows = selectors.events_of(agent)
        return Response(page_of(rows, self.asked, lambda row: AgentEventOut(row).data))


def _decide(agent: Agent, said: dict[str, Any], seat: Seat) -> None:
    if said["state"] == "draining":
        lifecycle.drain_agent(agent=agent, by=seat.actor)
    elif said["state"] == "suspended":
        reason = said.get("reason", "")
        lifecycle.suspend_agent(agent=agent, reason=reason, by=seat.actor)
    elif agent.state == "pending":
        lifecycle.approve_agent(agent=agent, by=seat.actor)
    else:
        lifecycle.resume_agent(agent=agent, by=seat.actor)


def _shown(agent: Agent) -> Response:
    context = {"links": links.of_agents([agent.public_id])}
    return Response(AgentOut(agent, context=context).data, headers={"ETag": etag_of(agent.version)})


def _agent(seat: Seat, agent_id: str) -> Agent:
    agent = selectors.agent_of(project=seat.project, public_id=agent_id)
    if agent is None:
        raise AgentUnknown("This project has no such machine.")
    return agent
