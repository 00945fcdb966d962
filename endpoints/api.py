"""The management API of endpoints: seat, parse, call, render."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog import selectors as catalog
from catalog.errors import ModelUnknown, TierUnknown
from common.rest import StrictSerializer, as_list
from endpoints import selectors, services
from endpoints.errors import EndpointUnknown
from projects.access import Seat, seat_of
from projects.rules import Role

if TYPE_CHECKING:
    from endpoints.models import Endpoint


class EndpointIn(StrictSerializer):
    """What a caller may say about a new endpoint."""

    slug = serializers.CharField(max_length=63)
    model = serializers.CharField(max_length=80, help_text="A name of the catalog")
    tier = serializers.CharField(max_length=40, default="free")


class EndpointOut(serializers.Serializer[Any]):
    """What a caller may read of an endpoint."""

    object = serializers.CharField(default="endpoint", read_only=True)
    id = serializers.CharField(source="public_id")
    slug = serializers.CharField()
    model = serializers.CharField(source="model.name")
    tier = serializers.CharField(source="tier.slug")
    state = serializers.CharField()
    path = serializers.SerializerMethodField(help_text="Base path of its OpenAI surface")
    created_at = serializers.DateTimeField()

    def get_path(self, endpoint: Endpoint) -> str:
        """Return the part of the base URL after the host."""
        return f"/{endpoint.project.public_id}/{endpoint.slug}/v1"


EndpointPage = inline_serializer(
    "EndpointPage",
    {
        "object": serializers.CharField(),
        "data": EndpointOut(many=True),
        "has_more": serializers.BooleanField(),
        "first_id": serializers.CharField(allow_null=True),
        "last_id": serializers.CharField(allow_null=True),
    },
)


class EndpointList(APIView):
    """``/{project}/v1/management/endpoints``."""

    @extend_schema(operation_id="list_endpoints", responses=EndpointPage)
    def get(self, request: Request, project_id: str) -> Response:
        """List the project's endpoints, newest first."""
        seat = seat_of(request, project_id)
        rows = selectors.endpoints_of(project=seat.project).select_related("project")
        return Response(as_list([EndpointOut(row).data for row in rows], has_more=False))

    @extend_schema(operation_id="open_endpoint", request=EndpointIn, responses={201: EndpointOut})
    def post(self, request: Request, project_id: str) -> Response:
        """Open an endpoint: a permanent slug, bound to a model and a tier."""
        seat = seat_of(request, project_id, at_least=Role.MEMBER)
        asked = EndpointIn(data=request.data)
        asked.is_valid(raise_exception=True)
        endpoint = _open(seat, asked.validated_data)
        return Response(EndpointOut(endpoint).data, status=status.HTTP_201_CREATED)


class EndpointDetail(APIView):
    """``/{project}/v1/management/endpoints/{slug}``."""

    @extend_schema(operation_id="get_endpoint", responses=EndpointOut)
    def get(self, request: Request, project_id: str, slug: str) -> Response:
        """Show one endpoint."""
        seat = seat_of(request, project_id)
        return Response(EndpointOut(_endpoint(seat, slug)).data)


def _endpoint(seat: Seat, slug: str) -> Endpoint:
    endpoint = selectors.endpoint_of(project=seat.project, slug=slug)
    if endpoint is None:
        raise EndpointUnknown(f"This project has no endpoint “{slug}”.")
    return endpoint


def _open(seat: Seat, said: dict[str, Any]) -> Endpoint:
    model = catalog.listed_model(said["model"])
    if model is None:
        raise ModelUnknown(f"The catalog lists no model “{said['model']}”.", param="model")
    tier = catalog.offered_tier(said["tier"])
    if tier is None:
        raise TierUnknown(f"There is no tier “{said['tier']}”.", param="tier")
    return services.open_endpoint(
        project=seat.project, slug=said["slug"], model=model, tier=tier, opened_by=seat.user
    )
