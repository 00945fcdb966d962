"""The management API of what can be deployed: read only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agents import offers
from catalog import selectors
from catalog.rules import NAME_MAX
from common import clock
from common.rest import CurrencyField, ManagementView, Window, page_of, page_shape
from projects.access import seat_of

if TYPE_CHECKING:
    from agents.offers import Offer
    from catalog.models import CatalogModel, ServiceTier


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
    machines = serializers.SerializerMethodField(
        help_text="How many live machines would serve it to this project now"
    )

    @extend_schema_field(serializers.IntegerField())
    def get_machines(self, model: CatalogModel) -> int:
        """Return how many there are."""
        machines: int = self.context["machines"][model.name]
        return machines


class TermsOut(serializers.Serializer[Any]):
    """A tier's numbers, in force now. Null is unlimited; prices are micro-units."""

    price_per_million = serializers.IntegerField(help_text="Micro-units of the currency")
    currency = CurrencyField()
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
    machines = serializers.SerializerMethodField(
        help_text="How many live machines it has: of the model that was asked for, or of any"
    )
    unavailable = serializers.SerializerMethodField(
        help_text="Why no endpoint can be opened on it now; null if one can"
    )
    terms = serializers.SerializerMethodField()

    @extend_schema_field(serializers.IntegerField())
    def get_machines(self, tier: ServiceTier) -> int:
        """Return how many there are."""
        return self._offer(tier).machines

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_unavailable(self, tier: ServiceTier) -> str | None:
        """Return the reason."""
        return self._offer(tier).reason or None

    @extend_schema_field(TermsOut)
    def get_terms(self, tier: ServiceTier) -> dict[str, Any]:
        """Return the numbers in force now."""
        shown: dict[str, Any] = TermsOut(selectors.terms_at(tier, clock.now())).data
        return shown

    def _offer(self, tier: ServiceTier) -> Offer:
        offer: Offer = self.context["offers"][tier.slug]
        return offer


class TierWindow(Window):
    """A page of tiers, and for which model they are wanted."""

    model = serializers.CharField(
        max_length=NAME_MAX, required=False, help_text="A name of the catalog"
    )


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
        seat = seat_of(request, project_id)
        context = {"machines": offers.machines_by_model(seat.project)}
        rows = selectors.listed_models()
        return Response(page_of(rows, self.asked, lambda row: ModelOut(row, context=context).data))


class TierList(ManagementView):
    """``/{project}/v1/management/tiers``."""

    queries = {"GET": TierWindow}

    @extend_schema(
        operation_id="list_tiers",
        tags=["endpoints"],
        parameters=[TierWindow],
        responses=page_shape("TierPage", TierOut),
    )
    def get(self, request: Request, project_id: str) -> Response:
        """List the tiers, which of them an endpoint can run on, and their numbers in force now."""
        seat = seat_of(request, project_id)
        on_offer = offers.offers_to(seat.project, model_name=self.asked.get("model"))
        context = {"offers": {offer.tier.slug: offer for offer in on_offer}}
        rows = selectors.offered_tiers()
        return Response(
            page_of(
                rows, self.asked, lambda row: TierOut(row, context=context).data, id_field="slug"
            )
        )
