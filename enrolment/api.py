"""The API of joining: join keys for people, enrolment for machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from common import clock, tenancy
from common.addresses import caller_address
from common.problems import TooOften
from common.rest import (
    ManagementView,
    Window,
    answered_once,
    once_seated,
    page_of,
    page_shape,
    parse,
)
from common.rest.throttle import take
from enrolment import joining, selectors, services
from enrolment.errors import JoinKeyUnknown
from enrolment.joining import Joining, Proof
from enrolment.services import IssuedJoinKey, NewJoinKey
from enrolment.shapes import (
    EnrolIn,
    IssuedJoinKeyOut,
    JoinKeyIn,
    JoinKeyOut,
    ProofIn,
    TokenOut,
)
from projects.access import Seat, seat_of
from projects.rules import Role

if TYPE_CHECKING:
    from agents.models import Agent
    from enrolment.models import JoinKey
    from enrolment.tokens import AgentToken

TUNNEL = "/agents/v1/tunnel"


class JoinKeyList(ManagementView):
    """``/{project}/v1/management/join-keys``."""

    queries = {"GET": Window}

    @extend_schema(
        operation_id="list_join_keys",
        tags=["machines"],
        parameters=[Window],
        responses=page_shape("JoinKeyPage", JoinKeyOut),
    )
    def get(self, request: Request, project_id: str) -> Response:
        """List the project's join keys, closed ones too, newest first."""
        seat = seat_of(request, project_id)
        rows = selectors.join_keys_of(project=seat.project)
        return Response(page_of(rows, self.asked, lambda row: JoinKeyOut(row).data))

    @extend_schema(
        operation_id="issue_join_key",
        tags=["machines"],
        request=JoinKeyIn,
        responses={201: IssuedJoinKeyOut},
    )
    def post(self, request: Request, project_id: str) -> Response:
        """Make a join key, and show it this once: machines enrol with it as the project's own."""
        seat = seat_of(request, project_id, at_least=Role.ADMIN, proven=True)
        said = parse(JoinKeyIn, request)
        new = NewJoinKey(project=seat.project, **said)

        def issue() -> Response:
            return _issued(services.issue_join_key(new, issuer=seat.maker, by=seat.actor))

        return answered_once(request, seat.actor, issue)


class JoinKeyDetail(ManagementView):
    """``/{project}/v1/management/join-keys/{id}``."""

    @extend_schema(operation_id="get_join_key", tags=["machines"], responses=JoinKeyOut)
    def get(self, request: Request, project_id: str, join_key_id: str) -> Response:
        """Show one join key, and who came with it."""
        return Response(JoinKeyOut(_key(seat_of(request, project_id), join_key_id)).data)

    @extend_schema(
        operation_id="revoke_join_key", tags=["machines"], request=None, responses={204: None}
    )
    def delete(self, request: Request, project_id: str, join_key_id: str) -> Response:
        """Let no more machines in by it; those that came with it stay."""
        seat = seat_of(request, project_id, at_least=Role.ADMIN)
        services.revoke_join_key(join_key=_key(seat, join_key_id), by=seat.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


class MachineView(ManagementView):
    """A view for machines: they have no seat, and are counted by their address."""

    authentication_classes = ()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Count the try. Raises ``TooOften``."""
        super().initial(request, *args, **kwargs)
        once_seated(request)
        limit = settings.ENROLMENTS_PER_MIN
        rate = take(f"enrolment:{caller_address(request)}", limit=limit)
        if rate is not None and not rate.allowed:
            raise TooOften(
                f"Machines at one address may ask {limit} times a minute.", wait=rate.wait_s
            )


class Enrolment(MachineView):
    """``/v1/enroll``."""

    @extend_schema(exclude=True)
    def post(self, request: Request) -> Response:
        """Let a machine in by its join key. The same machine again is no second one (200)."""
        said = parse(EnrolIn, request)
        said.pop("xim_version", None)
        # Nobody's request: whose the join key is, the key says.
        with tenancy.system():
            enrolled = joining.enrol(Joining(**said), address=caller_address(request))
            body = _told(enrolled.agent, enrolled.token)
        is_new = status.HTTP_201_CREATED if enrolled.is_new else status.HTTP_200_OK
        return Response(body, status=is_new)


class EnrolmentRefresh(MachineView):
    """``/v1/enroll/refresh``."""

    @extend_schema(exclude=True)
    def post(self, request: Request) -> Response:
        """Give an enrolled machine a new token, for a signature by its key."""
        proof = Proof(**parse(ProofIn, request))
        # Nobody's request: whose the machine is, its row says.
        with tenancy.system():
            return Response(_told(*joining.refresh(proof)))


class EnrolmentEnd(MachineView):
    """``/v1/enroll/leave``."""

    @extend_schema(exclude=True)
    def post(self, request: Request) -> Response:
        """Retire the machine that asks: for good, its links are cut."""
        proof = Proof(**parse(ProofIn, request))
        # Nobody's request, as above.
        with tenancy.system():
            joining.leave(proof, address=caller_address(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


def _told(agent: Agent, token: AgentToken) -> dict[str, Any]:
    said = {
        "agent": agent,
        "token": token,
        "tunnel": settings.PUBLIC_URL.replace("http", "ws", 1) + TUNNEL,
        "server_time": clock.now().timestamp(),
    }
    told: dict[str, Any] = TokenOut(said).data
    return told


def _issued(issued: IssuedJoinKey) -> Response:
    body = {**JoinKeyOut(issued.join_key).data, "secret": issued.secret}
    return Response(body, status=status.HTTP_201_CREATED)


def _key(seat: Seat, join_key_id: str) -> JoinKey:
    key = selectors.join_key_of(project=seat.project, public_id=join_key_id)
    if key is None:
        raise JoinKeyUnknown("This project has no such join key.")
    return key
