"""Who is asked into a project: seat, parse, call, render."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from common import clock
from common.rest import (
    ManagementView,
    StrictSerializer,
    Window,
    answered_once,
    page_of,
    page_shape,
    parse,
)
from projects import invitations, selectors
from projects.access import Seat, seat_of
from projects.errors import InvitationUnknown
from projects.rules import Role

if TYPE_CHECKING:
    from projects.models import Invitation

INVITED_AS = ["admin", "member", "viewer"]


class InvitationIn(StrictSerializer):
    """Who is asked in, and as what."""

    email = serializers.EmailField(max_length=254)
    role = serializers.ChoiceField(INVITED_AS, default="member")


class InvitationOut(serializers.Serializer[Any]):
    """What a caller may read of an invitation; its token stands in the e-mail alone."""

    object = serializers.ChoiceField(["invitation"], default="invitation", read_only=True)
    id = serializers.CharField(source="public_id")
    email = serializers.CharField()
    role = serializers.ChoiceField(INVITED_AS)
    invited_by = serializers.CharField(source="invited_by.email", allow_null=True, default=None)
    invited_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()


InvitationPage = page_shape("InvitationPage", InvitationOut)


class InvitationList(ManagementView):
    """``/{project}/v1/management/invitations``."""

    queries = {"GET": Window}

    @extend_schema(
        operation_id="list_invitations",
        tags=["members"],
        parameters=[Window],
        responses=InvitationPage,
    )
    def get(self, request: Request, project_id: str) -> Response:
        """List the open invitations, newest first."""
        seat = seat_of(request, project_id, at_least=Role.ADMIN)
        rows = selectors.invitations_of(project=seat.project, moment=clock.now())
        return Response(page_of(rows, self.asked, lambda row: InvitationOut(row).data))

    @extend_schema(
        operation_id="invite_member",
        tags=["members"],
        request=InvitationIn,
        responses={201: InvitationOut},
    )
    def post(self, request: Request, project_id: str) -> Response:
        """Ask somebody in by e-mail; the seat is kept for seven days."""
        seat = seat_of(request, project_id, at_least=Role.ADMIN, proven=True)
        said = parse(InvitationIn, request)

        def work() -> Response:
            invitation = invitations.invite(seat=seat, email=said["email"], role=Role(said["role"]))
            return Response(InvitationOut(invitation).data, status=status.HTTP_201_CREATED)

        return answered_once(request, seat.actor, work)


class InvitationDetail(ManagementView):
    """``/{project}/v1/management/invitations/{id}``."""

    @extend_schema(
        operation_id="revoke_invitation", tags=["members"], request=None, responses={204: None}
    )
    def delete(self, request: Request, project_id: str, invitation_id: str) -> Response:
        """Take an open invitation back."""
        seat = seat_of(request, project_id, at_least=Role.ADMIN)
        found = _found_invitation(seat, invitation_id)
        invitations.revoke_invitation(seat=seat, invitation=found)
        return Response(status=status.HTTP_204_NO_CONTENT)


def _found_invitation(seat: Seat, public_id: str) -> Invitation:
    moment = clock.now()
    found = selectors.invitation_of(project=seat.project, public_id=public_id, moment=moment)
    if found is None:
        raise InvitationUnknown("This project has no such open invitation.")
    return found
