"""The usage API: seat, parse, call, render."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from common.rest.lists import as_list, page_shape
from common.rest.views import ManagementView
from common.streaming import of_project, streamed
from projects.access import seat_of
from usage import export, rules, selectors
from usage.errors import UsageFilterMalformed
from usage.rules import Cursor
from usage.shapes import (
    ExportQuery,
    PointOut,
    RecordOut,
    RecordsQuery,
    SeriesQuery,
    SummaryOut,
    UsageQuery,
    filter_of,
)

SeriesShape = inline_serializer(
    "UsageSeries",
    {"object": serializers.ChoiceField(["list"]), "data": PointOut(many=True)},
)


class UsageSummary(ManagementView):
    """``/{project}/v1/usage/summary``."""

    queries = {"GET": UsageQuery}

    @extend_schema(
        operation_id="summarise_usage",
        tags=["usage"],
        parameters=[UsageQuery],
        responses=SummaryOut,
    )
    def get(self, request: Request, project_id: str) -> Response:
        """Sum requests, tokens and cost over the records a filter means."""
        seat = seat_of(request, project_id)
        totals = selectors.totals(project=seat.project, wanted=filter_of(self.asked))
        return Response(SummaryOut(asdict(totals)).data)


class UsageSeries(ManagementView):
    """``/{project}/v1/usage/timeseries``."""

    queries = {"GET": SeriesQuery}

    @extend_schema(
        operation_id="series_of_usage",
        tags=["usage"],
        parameters=[SeriesQuery],
        responses=SeriesShape,
    )
    def get(self, request: Request, project_id: str) -> Response:
        """Sum by minute, hour or day; steps without requests are absent."""
        seat = seat_of(request, project_id)
        points = selectors.series(
            project=seat.project, wanted=filter_of(self.asked), step=self.asked["step"]
        )
        return Response({"object": "list", "data": [PointOut(point).data for point in points]})


class UsageRecords(ManagementView):
    """``/{project}/v1/usage/records``."""

    queries = {"GET": RecordsQuery}

    @extend_schema(
        operation_id="list_usage_records",
        tags=["usage"],
        parameters=[RecordsQuery],
        responses=page_shape("UsageRecordPage", RecordOut),
    )
    def get(self, request: Request, project_id: str) -> Response:
        """List single requests, newest first."""
        seat = seat_of(request, project_id)
        rows, further = selectors.page(
            project=seat.project,
            wanted=filter_of(self.asked),
            after=_cursor(self.asked.get("after")),
            limit=self.asked["limit"],
        )
        return Response(
            as_list([RecordOut(row).data for row in rows], has_more=further is not None)
        )


class UsageExport(ManagementView):
    """``/{project}/v1/usage/export``."""

    queries = {"GET": ExportQuery}

    @extend_schema(
        operation_id="export_usage",
        tags=["usage"],
        parameters=[ExportQuery],
        responses={
            (200, "application/jsonl"): OpenApiResponse(str, "One record a line"),
            (200, "text/csv"): OpenApiResponse(str, "A head line, then one record a line"),
        },
    )
    def get(self, request: Request, project_id: str) -> Any:
        """Stream every record a filter means, as CSV or JSON lines."""
        seat = seat_of(request, project_id)
        is_csv = self.asked["format"] == "csv"
        lines = export.csv_lines if is_csv else export.json_lines
        pieces = lines(project=seat.project, wanted=filter_of(self.asked))
        answer = streamed(
            request._request,  # noqa: SLF001 - which kind of server this is, only Django's own request knows
            of_project(seat.project.pk, seat.project.public_id, pieces),
            content_type="text/csv; charset=utf-8" if is_csv else "application/jsonl",
        )
        name = f"usage-{seat.project.slug}.{self.asked['format']}"
        answer["Content-Disposition"] = f'attachment; filename="{name}"'
        return answer


def _cursor(after: str | None) -> Cursor | None:
    if not after:
        return None
    try:
        return Cursor(rules.started_at(after), after)
    except ValueError as fault:
        raise UsageFilterMalformed("This is no id of a record.", param="after") from fault
