"""Who sits in a project: seat, parse, call, render."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from common.rest import (
    ManagementView,
    StrictSerializer,
    Window,
    check_match,
    etag_of,
    page_of,
    page_shape,
    parse,
)
from projects import members, selectors
from projects.access import Seat, seat_of
from projects.errors import MemberUnknown
from projects.rules import Role

if TYPE_CHECKING:
    from projects.models import Membership

KEEP = "keep"
ROLES = ["owner", "admin", "member", "viewer"]


class RoleIn(StrictSerializer):
    """A member's new role."""

    role = serializers.ChoiceField(ROLES)


class KeysQuery(StrictSerializer):
    """What becomes of the keys somebody made when they go."""

    keys = serializers.ChoiceField(
        ["revoke", KEEP],
        default="revoke",
        help_text="`keep`: they go on, and whoever removes the member answers for them; "
        "for somebody who leaves, an owner",
    )


class MemberOut(serializers.Serializer[Any]):
    """What a caller may read of a member."""

    object = serializers.ChoiceField(["member"], default="member", read_only=True)
    id = serializers.CharField(source="public_id")
    email = serializers.CharField(source="user.email")
    name = serializers.CharField(source="user.name")
    role = serializers.ChoiceField(ROLES)
    since = serializers.DateTimeField()


MemberPage = page_shape("MemberPage", MemberOut)


class MemberList(ManagementView):
    """``/{project}/v1/management/members``."""

    queries = {"GET": Window}

    @extend_schema(
        operation_id="list_members", tags=["members"], parameters=[Window], responses=MemberPage
    )
    def get(self, request: Request, project_id: str) -> Response:
        """List who sits in the project, newest first."""
        seat = seat_of(request, project_id)
        rows = selectors.members_of(project=seat.project)
        return Response(page_of(rows, self.asked, lambda row: MemberOut(row).data))


class MemberDetail(ManagementView):
    """``/{project}/v1/management/members/{id}``."""

    queries = {"DELETE": KeysQuery}

    @extend_schema(operation_id="get_member", tags=["members"], responses=MemberOut)
    def get(self, request: Request, project_id: str, member_id: str) -> Response:
        """Show one member."""
        return member_shown(found_member(seat_of(request, project_id), member_id))

    @extend_schema(
        operation_id="change_member", tags=["members"], request=RoleIn, responses=MemberOut
    )
    def patch(self, request: Request, project_id: str, member_id: str) -> Response:
        """Give a member another role; nobody hands out more than they have."""
        seat = seat_of(request, project_id, at_least=Role.ADMIN, proven=True)
        said = parse(RoleIn, request)
        member = found_member(seat, member_id)
        check_match(request, etag_of({"role": member.role}))
        members.change_role(seat=seat, member=member, role=Role(said["role"]))
        return member_shown(found_member(seat, member_id))

    @extend_schema(
        operation_id="remove_member",
        tags=["members"],
        request=None,
        parameters=[KeysQuery],
        responses={204: None},
    )
    def delete(self, request: Request, project_id: str, member_id: str) -> Response:
        """Take a member's seat away, and revoke the keys they made."""
        seat = seat_of(request, project_id, at_least=Role.ADMIN, proven=True)
        member = found_member(seat, member_id)
        members.remove_member(seat=seat, member=member, keeps_keys=self.asked["keys"] == KEEP)
        return Response(status=status.HTTP_204_NO_CONTENT)


def member_shown(member: Membership) -> Response:
    """Answer with one member and the tag of their present role."""
    return Response(MemberOut(member).data, headers={"ETag": etag_of({"role": member.role})})


def found_member(seat: Seat, public_id: str) -> Membership:
    """Return a member of the seat's own project. Raises ``MemberUnknown``."""
    member = selectors.member_of(project=seat.project, public_id=public_id)
    if member is None:
        raise MemberUnknown("This project has no such member.")
    return member
