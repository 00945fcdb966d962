"""The management API of what can be deployed: read only, the same for every project."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from catalog import selectors
from common import clock
from common.rest import ManagementView, Window, page_of, page_shape
from projects.access import seat_of

if TYPE_CHECKING:
    from catalog.models import ServiceTier


class ModelOut(serializers.Serializer[Any]):
    """A model that may be deployed."""

    object = serializers.ChoiceField(["model"], default="model", read_only=True)
    id = serializers.CharField(source="public_id")
    name = serializers.CharField(help_text="What an endpoint is opened with")
    title = serializers.CharField()
    task = serializers.ChoiceField(["generate", "embed", "score"])
    size_bytes = serializers.IntegerField()
    context_length = serializers.IntegerField(allow_null=True)
    licence = serializers.CharField()
    capabilities = serializers.ListField(child=serializers.CharField())


class TermsOut(serializers.Serializer[Any]):
    """A tier's numbers, in force now. Null is unlimited; prices are micro-units."""

    price_per_million = serializers.IntegerField()
    cached_percent = serializers.IntegerField()
    tokens_per_min = serializers.IntegerField(allow_null=True)
    requests_per_min = serializers.IntegerField(allow_null=True)
    monthly_tokens = serializers.IntegerField(allow_null=True)
    concurrent = serializers.IntegerField()
    request_timeout_s = serializers.IntegerField()
    idle_timeout_s = serializers.IntegerField()


class TierOut(serializers.Serializer[Any]):
    """A class of service an endpoint may run on."""

    object = serializers.ChoiceField(["tier"], default="tier", read_only=True)
    id = serializers.CharField(source="slug", help_text="What an endpoint is opened with")
    name = serializers.CharField()
    summary = serializers.CharField()
    terms = serializers.SerializerMethodField()

    @extend_schema_field(TermsOut)
    def get_terms(self, tier: ServiceTier) -> dict[str, Any]:
        """Return the numbers in force now."""
        shown: dict[str, Any] = TermsOut(selectors.terms_at(tier, clock.now())).data
        return shown


class ModelList(ManagementView):
    """``/{project}/v1/management/models``."""

    queries = {"GET": Window}

    @extend_schema(
        operation_id="list_catalog_models",
        tags=["endpoints"],
        parameters=[Window],
        responses=page_shape("CatalogModelPage", ModelOut),
    )
    def get(self, request: Request, project_id: str) -> Response:
        """List the models an endpoint may be opened with."""
        seat_of(request, project_id)
        rows = selectors.listed_models()
        return Response(page_of(rows, self.asked, lambda row: ModelOut(row).data))


class TierList(ManagementView):
    """``/{project}/v1/management/tiers``."""

    queries = {"GET": Window}

    @extend_schema(
        operation_id="list_tiers",
        tags=["endpoints"],
        parameters=[Window],
        responses=page_shape("TierPage", TierOut),
    )
    def get(self, request: Request, project_id: str) -> Response:
        """List the tiers an endpoint may run on, with their numbers in force now."""
        seat_of(request, project_id)
        rows = selectors.offered_tiers()
        return Response(page_of(rows, self.asked, lambda row: TierOut(row).data, id_field="slug"))
