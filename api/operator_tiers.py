"""The operator API of tiers: what they are, and the terms they had, have and will have."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from drf_spectacular.utils import extend_schema, extend_schema_field, inline_serializer
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from agents import selectors as agents
from api.operator_view import OperatorView
from catalog import selectors, services, terms
from catalog.errors import NothingChanges, TermsUnknown, TierUnknown
from common import clock
from common.money import UNIT
from common.rest import (
    CurrencyField,
    StrictSerializer,
    Window,
    answered_once,
    check_match,
    etag_of,
    page_of,
    page_shape,
    parse,
)
from endpoints import selectors as endpoints

if TYPE_CHECKING:
    from catalog.models import ServiceTier, TierTerms


def _number_in(number: terms.Number) -> serializers.IntegerField:
    return serializers.IntegerField(
        min_value=number.least,
        max_value=number.most,
        allow_null=number.may_be_unlimited,
        required=False,
        help_text=_meaning(number),
    )


def _number_out(number: terms.Number) -> serializers.IntegerField:
    return serializers.IntegerField(allow_null=number.may_be_unlimited, help_text=_meaning(number))


def _meaning(number: terms.Number) -> str:
    kept = {UNIT: f"micro-units of the currency {number.unit}", terms.GB: "bytes"}
    unit = kept.get(number.scale, number.unit)
    said = f"{number.label}, {unit}" if unit else number.label
    return f"{said}; null is unlimited" if number.may_be_unlimited else said


class OperatorTermsIn(StrictSerializer):
    """New terms. What is not said is as in the terms in force when they begin."""

    effective_from = serializers.DateTimeField(
        required=False, help_text="When they begin; left out: at once"
    )

    def get_fields(self) -> dict[str, Any]:
        """Return the moment, and every number of a tier."""
        numbers = {number.name: _number_in(number) for number in terms.NUMBERS}
        return {**super().get_fields(), **numbers}


class OperatorTermsOut(serializers.Serializer[Any]):
    """The numbers of a tier from a moment on. Null is unlimited."""

    object = serializers.ChoiceField(["terms"], default="terms", read_only=True)
    id = serializers.CharField(source="number", help_text="Their number, of their tier")
    tier = serializers.CharField(source="tier.slug")
    effective_from = serializers.DateTimeField()
    has_begun = serializers.SerializerMethodField(help_text="Then they can't be withdrawn")
    currency = CurrencyField()

    def get_fields(self) -> dict[str, Any]:
        """Return what terms are, and every number of a tier."""
        numbers = {number.name: _number_out(number) for number in terms.NUMBERS}
        return {**super().get_fields(), **numbers}

    @extend_schema_field(serializers.BooleanField())
    def get_has_begun(self, row: TierTerms) -> bool:
        """Say whether requests may have been billed on them."""
        return row.effective_from <= clock.now()


class OperatorTierOut(serializers.Serializer[Any]):
    """A tier, also one that is offered no more, as operators see it."""

    object = serializers.ChoiceField(["tier"], default="tier", read_only=True)
    id = serializers.CharField(source="slug")
    name = serializers.CharField()
    summary = serializers.CharField()
    rank = serializers.IntegerField(help_text="Order in lists")
    is_offered = serializers.BooleanField()
    is_self_hosted = serializers.BooleanField()
    is_preemptible = serializers.BooleanField()
    accelerator = serializers.CharField(
        help_text="What a machine has to report to serve it; empty: nothing"
    )
    machines = serializers.SerializerMethodField(help_text="Live machines that carry it")
    endpoints = serializers.SerializerMethodField(help_text="Living endpoints on it")
    terms = serializers.SerializerMethodField(help_text="In force now")

    @extend_schema_field(serializers.IntegerField())
    def get_machines(self, tier: ServiceTier) -> int:
        """Return how many there are."""
        return len(agents.alive(agents.carrying(tier.slug, is_self_hosted=tier.is_self_hosted)))

    @extend_schema_field(serializers.IntegerField())
    def get_endpoints(self, tier: ServiceTier) -> int:
        """Return how many there are."""
        return endpoints.reach_of(tier)[0]

    @extend_schema_field(OperatorTermsOut)
    def get_terms(self, tier: ServiceTier) -> dict[str, Any]:
        """Return the numbers."""
        shown: dict[str, Any] = OperatorTermsOut(selectors.terms_at(tier, clock.now())).data
        return shown


class TryQuery(StrictSerializer):
    """Whether new terms are set, or only looked at."""

    dry_run = serializers.BooleanField(
        default=False, help_text="Say what would change for whom, and change nothing"
    )


TermsPreview = inline_serializer(
    "OperatorTermsPreview",
    {
        "object": serializers.ChoiceField(["terms.preview"]),
        "effective_from": serializers.DateTimeField(allow_null=True, help_text="Null: at once"),
        "changes": inline_serializer(
            "OperatorTermsChange",
            {
                "name": serializers.CharField(),
                "before": serializers.IntegerField(allow_null=True),
                "after": serializers.IntegerField(allow_null=True),
            },
            many=True,
        ),
        "endpoints": serializers.IntegerField(help_text="Living endpoints it is about"),
        "projects": serializers.IntegerField(help_text="Of so many projects"),
    },
)


class OperatorTiers(OperatorView):
    """``/v1/operator/tiers``."""

    queries = {"GET": Window}

    @extend_schema(
        operation_id="operator_list_tiers",
        tags=["operator"],
        parameters=[Window],
        responses=page_shape("OperatorTierPage", OperatorTierOut),
    )
    def get(self, request: Request) -> Response:
        """List the tiers with their terms in force, also those that are offered no more."""
        rows = selectors.all_tiers()
        return Response(
            page_of(rows, self.asked, lambda row: OperatorTierOut(row).data, id_field="slug")
        )


class OperatorTier(OperatorView):
    """``/v1/operator/tiers/{tier}``."""

    @extend_schema(operation_id="operator_get_tier", tags=["operator"], responses=OperatorTierOut)
    def get(self, request: Request, tier: str) -> Response:
        """Show one tier."""
        return Response(OperatorTierOut(_tier(tier)).data)


class OperatorTermsList(OperatorView):
    """``/v1/operator/tiers/{tier}/terms``."""

    queries = {"GET": Window, "POST": TryQuery}

    @extend_schema(
        operation_id="operator_list_terms",
        tags=["operator"],
        parameters=[Window],
        responses=page_shape("OperatorTermsPage", OperatorTermsOut),
    )
    def get(self, request: Request, tier: str) -> Response:
        """List the terms a tier had, has and will have, newest first."""
        rows = selectors.terms_of(_tier(tier)).select_related("tier")
        return Response(
            page_of(rows, self.asked, lambda row: OperatorTermsOut(row).data, id_field="cursor")
        )

    @extend_schema(
        operation_id="operator_set_terms",
        tags=["operator"],
        request=OperatorTermsIn,
        parameters=[TryQuery],
        responses={201: OperatorTermsOut, 200: TermsPreview},
    )
    def post(self, request: Request, tier: str) -> Response:
        """Give a tier new terms, from now or from a moment to come.

        With `dry_run=true` nothing changes; the answer is a preview, with 200.
        """
        found = _tier(tier)
        said = parse(OperatorTermsIn, request)
        begin = said.pop("effective_from", None)
        if self.asked["dry_run"]:
            return Response(_preview(found, said, begin))
        return answered_once(request, self.by, lambda: self._set(found, said, begin))

    def _set(self, tier: ServiceTier, said: dict[str, Any], begin: datetime | None) -> Response:
        row = services.supersede_terms(tier=tier, changes=said, effective_from=begin, by=self.by)
        return Response(OperatorTermsOut(row).data, status=status.HTTP_201_CREATED)


class OperatorTerms(OperatorView):
    """``/v1/operator/tiers/{tier}/terms/{number}``."""

    @extend_schema(
        operation_id="operator_withdraw_terms",
        tags=["operator"],
        request=None,
        responses={204: None},
    )
    def delete(self, request: Request, tier: str, number: str) -> Response:
        """Take back terms that have not begun."""
        row = selectors.terms_called(_tier(tier), number)
        if row is None:
            raise TermsUnknown(f"This tier has no terms {number}.")
        check_match(request, etag_of(row.number), is_required=False)
        services.withdraw_terms(row=row, by=self.by)
        return Response(status=status.HTTP_204_NO_CONTENT)


def _preview(tier: ServiceTier, said: dict[str, Any], begin: datetime | None) -> dict[str, Any]:
    before = terms.of(services.terms_before(tier, begin))
    changed = [name for name, value in said.items() if value != before[name]]
    if not changed:
        raise NothingChanges("The new terms say what the old ones say. Change a number.")
    count, projects = endpoints.reach_of(tier)
    changes = [{"name": name, "before": before[name], "after": said[name]} for name in changed]
    return {
        "object": "terms.preview",
        "effective_from": begin,
        "changes": changes,
        "endpoints": count,
        "projects": projects,
    }


def _tier(slug: str) -> ServiceTier:
    tier = selectors.tier_named(slug)
    if tier is None:
        raise TierUnknown(f"There is no tier “{slug}”.")
    return tier
