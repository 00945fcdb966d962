"""The project itself: seat, parse, call, render."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from common.rest import (
    ManagementView,
    StrictSerializer,
    answered_once,
    check_match,
    etag_of,
    parse,
)
from projects import members, services
from projects.access import Seat, check_proof, seat_of
from projects.api.members import KEEP, KeysQuery, MemberOut, found_member, member_shown
from projects.errors import RoleInsufficient
from projects.rules import Role

if TYPE_CHECKING:
    from projects.models import Project


class ProjectPatch(StrictSerializer):
    """What may change in a project's life. Its id and slug never do."""

    name = serializers.CharField(max_length=120, required=False)
    requires_second_factor = serializers.BooleanField(
        required=False, help_text="Let in only people who have one; an owner's decision"
    )
    origins = serializers.ListField(
        child=serializers.CharField(max_length=253),
        required=False,
        help_text="Origins of pages that may read what endpoints answer (CORS), or *",
    )


class DeleteQuery(StrictSerializer):
    """Deleting asks for the slug once more."""

    slug = serializers.CharField(max_length=32, help_text="The project's slug, to confirm")


class ProjectOut(serializers.Serializer[Any]):
    """What a caller may read of a project."""

    object = serializers.ChoiceField(["project"], default="project", read_only=True)
    id = serializers.CharField(source="public_id")
    slug = serializers.CharField()
    name = serializers.CharField()
    requires_second_factor = serializers.BooleanField()
    origins = serializers.ListField(
        child=serializers.CharField(),
        help_text="Pages of these origins may read what endpoints answer (CORS)",
    )
    created_at = serializers.DateTimeField()
    delete_after = serializers.DateTimeField(
        allow_null=True, help_text="Set while marked for deletion: when it ends"
    )
    suspended_at = serializers.DateTimeField(
        allow_null=True, help_text="Set while the platform's operator has shut the project"
    )
    suspended_until = serializers.DateTimeField(
        allow_null=True, help_text="When that ends by itself; null if it does not"
    )
    suspension_reason = serializers.CharField()


class HeirIn(StrictSerializer):
    """Who becomes the owner."""

    member = serializers.CharField(max_length=32, help_text="Id of a member")


class ProjectDetail(ManagementView):
    """``/{project}/v1/management/project``."""

    queries = {"DELETE": DeleteQuery}

    @extend_schema(operation_id="get_project", tags=["project"], responses=ProjectOut)
    def get(self, request: Request, project_id: str) -> Response:
        """Show the project."""
        return _project(seat_of(request, project_id))

    @extend_schema(
        operation_id="change_project", tags=["project"], request=ProjectPatch, responses=ProjectOut
    )
    def patch(self, request: Request, project_id: str) -> Response:
        """Rename the project, decide whether it asks for a second factor, and which pages read."""
        seat = seat_of(request, project_id, at_least=Role.ADMIN)
        said = parse(ProjectPatch, request)
        check_match(request, _etag(seat.project))
        if said.get("requires_second_factor") is False:
            check_proof(request)
        with transaction.atomic():
            _change(seat, said)
        return _project(seat)

    @extend_schema(
        operation_id="delete_project",
        tags=["project"],
        request=None,
        parameters=[DeleteQuery],
        responses={200: ProjectOut},
    )
    def delete(self, request: Request, project_id: str) -> Response:
        """Mark the project for deletion: its keys stop now, its end comes in seven days."""
        seat = seat_of(request, project_id, at_least=Role.OWNER, even_marked=True, proven=True)
        services.mark_for_deletion(project=seat.project, slug=self.asked["slug"], by=seat.actor)
        return _project(seat)


class ProjectRestore(ManagementView):
    """``/{project}/v1/management/project/restore``."""

    @extend_schema(
        operation_id="restore_project", tags=["project"], request=None, responses=ProjectOut
    )
    def post(self, request: Request, project_id: str) -> Response:
        """Take the mark for deletion away; keys and endpoints work as before."""
        seat = seat_of(request, project_id, at_least=Role.OWNER, even_marked=True)

        def work() -> Response:
            services.restore_project(project=seat.project, by=seat.actor)
            return _project(seat)

        return answered_once(request, seat.actor, work)


class ProjectTransfer(ManagementView):
    """``/{project}/v1/management/project/transfer``."""

    @extend_schema(
        operation_id="transfer_project", tags=["project"], request=HeirIn, responses=MemberOut
    )
    def post(self, request: Request, project_id: str) -> Response:
        """Make another member owner and become admin oneself."""
        seat = seat_of(request, project_id, at_least=Role.OWNER, proven=True)
        said = parse(HeirIn, request)

        def work() -> Response:
            member = found_member(seat, said["member"])
            members.transfer_ownership(seat=seat, member=member)
            return member_shown(found_member(seat, said["member"]))

        return answered_once(request, seat.actor, work)


class ProjectLeave(ManagementView):
    """``/{project}/v1/management/project/leave``."""

    queries = {"POST": KeysQuery}

    @extend_schema(
        operation_id="leave_project",
        tags=["project"],
        request=None,
        parameters=[KeysQuery],
        responses={204: None},
    )
    def post(self, request: Request, project_id: str) -> Response:
        """Give up one's own seat; the keys one made are revoked. The last owner can't."""
        seat = seat_of(request, project_id)
        members.leave(seat=seat, keeps_keys=self.asked["keys"] == KEEP)
        return Response(status=status.HTTP_204_NO_CONTENT)


def _change(seat: Seat, said: dict[str, Any]) -> None:
    if "requires_second_factor" in said:
        if not seat.may(Role.OWNER):
            raise RoleInsufficient("Asking for a second factor is an owner's decision.")
        services.require_second_factor(seat=seat, is_required=said["requires_second_factor"])
    if "name" in said:
        services.rename_project(project=seat.project, name=said["name"], by=seat.actor)
    if "origins" in said:
        services.allow_origins(project=seat.project, origins=said["origins"], by=seat.actor)


def _project(seat: Seat) -> Response:
    return Response(ProjectOut(seat.project).data, headers={"ETag": _etag(seat.project)})


def _etag(project: Project) -> str:
    shown = [project.name, project.requires_second_factor, project.delete_after, project.origins]
    return etag_of(shown)
