"""The management API of join keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from common.rest import (
    ManagementView,
    Window,
    answered_once,
    page_of,
    page_shape,
    parse,
)
from enrolment import selectors, services
from enrolment.errors import JoinKeyUnknown
from enrolment.services import IssuedJoinKey, NewJoinKey
from enrolment.shapes import (
    IssuedJoinKeyOut,
    JoinKeyIn,
    JoinKeyOut,
)
from projects.access import Seat, seat_of
from projects.rules import Role

if TYPE_CHECKING:
    from enrolment.models import JoinKey


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
            return _issued(
                services.issue_join_key(
                    new, issuer_pk=seat.maker.pk if seat.maker else None, by=seat.actor
                )
            )

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


def _issued(issued: IssuedJoinKey) -> Response:
    body = {**JoinKeyOut(issued.join_key).data, "secret": issued.secret}
    return Response(body, status=status.HTTP_201_CREATED)


def _key(seat: Seat, join_key_id: str) -> JoinKey:
    key = selectors.join_key_of(project=seat.project, public_id=join_key_id)
    if key is None:
        raise JoinKeyUnknown("This project has no such join key.")
    return key
