"""The management API of the audit log. It stands here because the log itself knows no projects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from audit import export, selectors
from audit.selectors import Filter
from common.rest import ManagementView, StrictSerializer, Window, page_of, page_shape
from common.rest.errors import CursorUnknown
from common.streaming import of_project, streamed
from projects.access import seat_of
from projects.rules import Role

if TYPE_CHECKING:
    from audit.models import AuditEntry

PREFIX = "aud_"
FILTERS = ("since", "until", "action", "actor", "object_kind", "object_id")


class FilterQuery(StrictSerializer):
    """Which entries are wanted; nothing said means all."""

    since = serializers.DateTimeField(required=False, help_text="From this moment on")
    until = serializers.DateTimeField(required=False, help_text="Before this moment")
    action = serializers.CharField(
        required=False, max_length=64, help_text="Such as `apikey.issued`, or `apikey.` for all"
    )
    actor = serializers.CharField(
        required=False, max_length=254, help_text="E-mail of a person or name of a key"
    )
    object_kind = serializers.CharField(required=False, max_length=32)
    object_id = serializers.CharField(required=False, max_length=254)


class AuditQuery(FilterQuery, Window):
    """Which page of which entries."""


class ActorOut(serializers.Serializer[Any]):
    """Who did it."""

    kind = serializers.ChoiceField(["person", "key", "system"], source="actor_kind")
    id = serializers.CharField(source="actor_id")
    name = serializers.CharField(source="actor_name")


class SubjectOut(serializers.Serializer[Any]):
    """What it was done to."""

    kind = serializers.CharField(source="object_kind")
    id = serializers.CharField(source="object_id")


class AuditEntryOut(serializers.Serializer[Any]):
    """One thing somebody did."""

    object = serializers.ChoiceField(["audit_entry"], default="audit_entry", read_only=True)
    id = serializers.CharField(source="public_id")
    at = serializers.DateTimeField()
    actor = ActorOut(source="*")
    action = serializers.CharField()
    subject = SubjectOut(source="*")
    before = serializers.DictField()
    after = serializers.DictField()
    address = serializers.CharField()
    request_id = serializers.CharField()
    hash = serializers.CharField(help_text="SHA-256; chains it to the entry before")


AuditPage = page_shape("AuditPage", AuditEntryOut)


class AuditList(ManagementView):
    """``/{project}/v1/management/audit``."""

    queries = {"GET": AuditQuery}

    @extend_schema(
        operation_id="list_audit_entries",
        tags=["audit"],
        parameters=[AuditQuery],
        responses=AuditPage,
    )
    def get(self, request: Request, project_id: str) -> Response:
        """List who did what, newest first."""
        seat = seat_of(request, project_id, at_least=Role.ADMIN, even_marked=True)
        wanted = _filter(self.asked)
        rows = selectors.entries(project=seat.project.public_id, wanted=wanted)
        return Response(page_of(rows, _by_number(self.asked), _shown, id_field="number"))


class AuditExport(ManagementView):
    """``/{project}/v1/management/audit/export``."""

    queries = {"GET": FilterQuery}

    @extend_schema(
        operation_id="export_audit_entries",
        tags=["audit"],
        parameters=[FilterQuery],
        responses={(200, "application/x-ndjson"): OpenApiTypes.STR},
    )
    def get(self, request: Request, project_id: str) -> StreamingHttpResponse:
        """Write all entries as JSON lines, oldest first, with the hashes that chain them."""
        seat = seat_of(request, project_id, at_least=Role.ADMIN, even_marked=True)
        project = seat.project.public_id
        lines = export.json_lines(project=project, wanted=_filter(self.asked))
        lines = of_project(seat.project.pk, project, lines)
        answer = streamed(request._request, lines, content_type="application/x-ndjson")  # noqa: SLF001 - which kind of server this is, only Django's own request knows
        answer["Content-Disposition"] = f'attachment; filename="audit-{project}.jsonl"'
        return answer


def _shown(entry: AuditEntry) -> dict[str, Any]:
    return dict(AuditEntryOut(entry).data)


def _filter(asked: dict[str, Any]) -> Filter:
    return Filter(**{name: asked[name] for name in FILTERS if name in asked})


def _by_number(asked: dict[str, Any]) -> dict[str, Any]:
    """Return the window with numbers for cursors: an entry's id is its number in the chain."""
    window = dict(asked)
    for side in ("after", "before"):
        if side in window:
            digits = window[side].removeprefix(PREFIX)
            if not digits.isascii() or not digits.isdigit() or len(digits) > 18:  # noqa: PLR2004 - fits a bigint
                raise CursorUnknown("This list has no such item.", param=side)
            window[side] = int(digits)
    return window
