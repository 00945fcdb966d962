"""The usage API of refused requests, and of one request by its id: admitted or refused."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from common.problems import Problem
from common.rest import ManagementView
from projects.access import seat_of
from usage import refused
from usage.shapes import RecordOut, SeriesQuery, filter_of


class RequestUnknown(Problem):
    """The project has no such request, or none that is still known."""

    code = "request_not_found"
    status = 404


class RefusalsQuery(SeriesQuery):
    """Which refusals are meant."""

    model = None  # type: ignore[assignment] # why: a refusal may come before the model is known
    failed_only = None  # type: ignore[assignment] # why: all of them are
    code = serializers.CharField(
        required=False, max_length=40, help_text="A code of an error, such as rate_limit_exceeded"
    )


class CountOut(serializers.Serializer[Any]):
    """How often a code was the answer."""

    code = serializers.CharField()
    count = serializers.IntegerField()


class RefusedPointOut(CountOut):
    """The same in one step of time."""

    at = serializers.DateTimeField()


class RefusedOut(serializers.Serializer[Any]):
    """One request that was refused before it reached a worker. It cost nothing."""

    object = serializers.ChoiceField(["usage.refusal"], default="usage.refusal")
    id = serializers.CharField(source="request_id")
    at = serializers.DateTimeField()
    endpoint = serializers.CharField(help_text="Empty where the endpoint is not known for sure")
    key_id = serializers.CharField(help_text="Empty where no key of the project was shown")
    operation = serializers.CharField()
    code = serializers.CharField()
    status = serializers.IntegerField()
    message = serializers.CharField()
    caller_request_id = serializers.CharField()


RefusalsShape = inline_serializer(
    "UsageRefusals",
    {
        "object": serializers.ChoiceField(["usage.refusals"]),
        "counts": CountOut(many=True),
        "data": RefusedPointOut(many=True),
        "latest": RefusedOut(many=True),
    },
)
FoundShape = inline_serializer(
    "UsageRequest",
    {
        "object": serializers.ChoiceField(["usage.request"]),
        "records": RecordOut(many=True),
        "refusals": RefusedOut(many=True),
    },
)


class UsageRefusals(ManagementView):
    """``/{project}/v1/usage/refusals``."""

    queries = {"GET": RefusalsQuery}

    @extend_schema(
        operation_id="list_refusals",
        tags=["usage"],
        parameters=[RefusalsQuery],
        responses=RefusalsShape,
    )
    def get(self, request: Request, project_id: str) -> Response:
        """Count requests that were refused before a worker was asked, by code and step.

        `counts` are the sums, `data` is the time series (steps without a refusal are absent)
        and `latest` the last refused requests; of each code about a hundred are kept.
        """
        project = seat_of(request, project_id).project
        asked = self.asked
        wanted, code = filter_of(asked), asked.get("code", "")
        points = refused.series(project=project, wanted=wanted, step=asked["step"], code=code)
        latest = refused.latest(project=project, wanted=wanted, code=code)
        counts = refused.counts(project=project, wanted=wanted, code=code)
        return Response(
            {
                "object": "usage.refusals",
                "counts": CountOut(counts, many=True).data,
                "data": RefusedPointOut(points, many=True).data,
                "latest": RefusedOut(latest, many=True).data,
            }
        )


class UsageRequest(ManagementView):
    """``/{project}/v1/usage/requests/{id}``."""

    @extend_schema(operation_id="find_request", tags=["usage"], responses=FoundShape)
    def get(self, request: Request, project_id: str, request_id: str) -> Response:
        """Find a request by its id, or by the `X-Request-ID` that its caller gave it.

        Of a caller's own id there may be several.
        """
        project = seat_of(request, project_id).project
        records, refusals = refused.requests_named(project=project, name=request_id)
        found = {
            "object": "usage.request",
            "records": RecordOut(records, many=True).data,
            "refusals": RefusedOut(refusals, many=True).data,
        }
        if not found["records"] and not found["refusals"]:
            raise RequestUnknown("This project knows no request with this id, or not any more.")
        return Response(found)
