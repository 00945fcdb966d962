"""The API that machines ask: they have no seat, show a join key or prove the key they made."""

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
from common.rest import ManagementView, once_seated, parse
from common.rest.throttle import take
from enrolment import joining
from enrolment.joining import Joining, Proof
from enrolment.shapes import EnrolIn, ProofIn, TokenOut

if TYPE_CHECKING:
    from agents.models import Agent
    from enrolment.tokens import AgentToken

TUNNEL = "/agents/v1/tunnel"


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
            body = told(enrolled.agent, enrolled.token)
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
            return Response(told(*joining.refresh(proof)))


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


def told(agent: Agent, token: AgentToken) -> dict[str, Any]:
    """Return what a machine is answered that has proven itself."""
    said = {
        "agent": agent,
        "token": token,
        "tunnel": settings.PUBLIC_URL.replace("http", "ws", 1) + TUNNEL,
        "server_time": clock.now().timestamp(),
    }
    body: dict[str, Any] = TokenOut(said).data
    return body
