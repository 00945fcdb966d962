"""The management API of endpoints: seat, parse, call, render."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from agents import offers
from catalog.rules import NAME_MAX
from common import clock
from common.names import REGION_MAX
from common.rest import (
    ManagementView,
    StrictSerializer,
    Window,
    answered_once,
    check_match,
    etag_of,
    page_of,
    page_shape,
    parse,
)
from endpoints import selectors, services
from endpoints.errors import EndpointUnknown, SlugNotConfirmed
from endpoints.live import state_of, states_of
from endpoints.rules import LIVE_WORDS
from projects.access import Seat, seat_of
from projects.rules import Role

if TYPE_CHECKING:
    from catalog.models import ServiceTier
    from endpoints.models import Endpoint


def _region() -> serializers.CharField:
    return serializers.CharField(
        max_length=REGION_MAX,
        required=False,
        allow_blank=True,
        help_text="Where its machines have to be, as in `eu-west`; empty: anywhere",
    )


def _fallback(more: str = "") -> serializers.CharField:
    said = (
        "Of an endpoint on machines of the project's own: the tier that serves it, at that tier's "
        "price, while none of them is there or each is full."
    )
    return serializers.CharField(
        max_length=40, required=False, allow_null=True, help_text=f"{said} {more}".strip()
    )


class EndpointIn(StrictSerializer):
    """What a caller may say about a new endpoint."""

    slug = serializers.CharField(max_length=63)
    model = serializers.CharField(max_length=NAME_MAX, help_text="A name of the catalog")
    tier = serializers.CharField(max_length=40, default="free")
    region = _region()
    fallback = _fallback()


class EndpointPatch(StrictSerializer):
    """What may change in an endpoint's life. Its slug and its model never do."""

    state = serializers.ChoiceField(["active", "paused"], required=False)
    tier = serializers.CharField(
        max_length=40,
        required=False,
        help_text="For owners, and management keys that owners made",
    )
    region = _region()
    fallback = _fallback(
        "Null: to none. To fall back to a tier is for owners, and management keys that owners made"
    )


class RetireQuery(StrictSerializer):
    """Retiring is for good, so it asks for the slug once more."""

    slug = serializers.CharField(max_length=63, help_text="The endpoint's slug, to confirm")


class OverrideOut(serializers.Serializer[Any]):
    """Limits that are not the tier's. Null: as the tier says. The last of a list wins."""

    requests_per_min = serializers.IntegerField(allow_null=True)
    tokens_per_min = serializers.IntegerField(allow_null=True)
    concurrent = serializers.IntegerField(allow_null=True)
    monthly_tokens = serializers.IntegerField(allow_null=True)
    request_timeout_s = serializers.IntegerField(allow_null=True)
    idle_timeout_s = serializers.IntegerField(allow_null=True)
    reason = serializers.CharField()
    ends_at = serializers.DateTimeField(allow_null=True)


class LiveOut(serializers.Serializer[Any]):
    """Whether requests would be answered now, from the world and not from a setting."""

    word = serializers.ChoiceField(LIVE_WORDS)
    sentence = serializers.CharField()


class EndpointOut(serializers.Serializer[Any]):
    """What a caller may read of an endpoint."""

    object = serializers.CharField(default="endpoint", read_only=True)
    id = serializers.CharField(source="public_id")
    slug = serializers.CharField()
    model = serializers.CharField(source="model.name")
    tier = serializers.CharField(source="tier.slug")
    region = serializers.CharField(help_text="Where its machines have to be; empty: anywhere")
    fallback = serializers.CharField(
        source="fallback.slug",
        default=None,
        allow_null=True,
        help_text="The tier that serves it while machines of the project's own can't; null: none",
    )
    state = serializers.ChoiceField(
        ["active", "paused", "retired"], help_text="What was asked for; `live` says what is so"
    )
    live = serializers.SerializerMethodField()
    overrides = serializers.SerializerMethodField()
    path = serializers.SerializerMethodField(help_text="Base path of its OpenAI surface")
    created_at = serializers.DateTimeField()

    @extend_schema_field(LiveOut)
    def get_live(self, endpoint: Endpoint) -> dict[str, Any]:
        """Return how it stands; a list has looked it up for all of its endpoints."""
        known = self.context.get("live") or {}
        return LiveOut(known.get(endpoint.pk) or state_of(endpoint)).data

    @extend_schema_field(OverrideOut(many=True))
    def get_overrides(self, endpoint: Endpoint) -> list[dict[str, Any]]:
        """Return what the platform's operator has set apart from the tier, if anything."""
        rows = self.context.get("overrides")
        if rows is None:
            now = clock.now()
            rows = selectors.overrides_of(project=endpoint.project, moment=now, endpoint=endpoint)
        mine = [row for row in rows if row.endpoint_id in (None, endpoint.pk)]
        return [dict(OverrideOut(row).data) for row in mine]

    @extend_schema_field(serializers.CharField())
    def get_path(self, endpoint: Endpoint) -> str:
        """Return the part of the base URL after the host."""
        return f"/{endpoint.project.public_id}/{endpoint.slug}/v1"


EndpointPage = page_shape("EndpointPage", EndpointOut)


class EndpointList(ManagementView):
    """``/{project}/v1/management/endpoints``."""

    queries = {"GET": Window}

    @extend_schema(
        operation_id="list_endpoints",
        tags=["endpoints"],
        parameters=[Window],
        responses=EndpointPage,
    )
    def get(self, request: Request, project_id: str) -> Response:
        """List the project's endpoints, newest first."""
        seat = seat_of(request, project_id)
        rows = selectors.endpoints_of(project=seat.project).select_related("project")
        overrides = selectors.overrides_of(project=seat.project, moment=clock.now())
        known = {"live": states_of(seat.project, list(rows)), "overrides": overrides}
        return Response(page_of(rows, self.asked, lambda row: EndpointOut(row, context=known).data))

    @extend_schema(
        operation_id="open_endpoint",
        tags=["endpoints"],
        request=EndpointIn,
        responses={201: EndpointOut},
    )
    def post(self, request: Request, project_id: str) -> Response:
        """Open an endpoint: a permanent slug, bound to a model and a tier."""
        seat = seat_of(request, project_id, at_least=Role.MEMBER)
        said = parse(EndpointIn, request)
        return answered_once(
            request, seat.actor, lambda: _shown(_open(seat, said), status.HTTP_201_CREATED)
        )


class EndpointDetail(ManagementView):
    """``/{project}/v1/management/endpoints/{slug or id}``."""

    queries = {"DELETE": RetireQuery}

    @extend_schema(operation_id="get_endpoint", tags=["endpoints"], responses=EndpointOut)
    def get(self, request: Request, project_id: str, slug: str) -> Response:
        """Show one endpoint."""
        seat = seat_of(request, project_id)
        return _shown(_endpoint(seat, slug))

    @extend_schema(
        operation_id="change_endpoint",
        tags=["endpoints"],
        request=EndpointPatch,
        responses=EndpointOut,
    )
    def patch(self, request: Request, project_id: str, slug: str) -> Response:
        """Pause or resume an endpoint, or say anew by which machines it is served."""
        seat = seat_of(request, project_id, at_least=Role.MEMBER)
        said = parse(EndpointPatch, request)
        endpoint = _endpoint(seat, slug)
        seat.check_own(endpoint.created_by_id)
        check_match(request, etag_of(endpoint.version))
        changes = _changes(seat, endpoint, said)
        services.change_endpoint(endpoint=endpoint, by=seat.actor, **changes)
        return _shown(_endpoint(seat, slug))

    @extend_schema(
        operation_id="retire_endpoint",
        tags=["endpoints"],
        request=None,
        parameters=[RetireQuery],
        responses={204: None},
    )
    def delete(self, request: Request, project_id: str, slug: str) -> Response:
        """Retire an endpoint for good: its slug stays taken, its usage stays."""
        seat = seat_of(request, project_id, at_least=Role.MEMBER)
        endpoint = _endpoint(seat, slug)
        seat.check_own(endpoint.created_by_id)
        check_match(request, etag_of(endpoint.version), is_required=False)
        if self.asked["slug"] != endpoint.slug:
            raise SlugNotConfirmed("Repeat the endpoint's slug to retire it.", param="slug")
        services.retire_endpoint(endpoint=endpoint, by=seat.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


def _shown(endpoint: Endpoint, code: int = status.HTTP_200_OK) -> Response:
    return Response(
        EndpointOut(endpoint).data, status=code, headers={"ETag": etag_of(endpoint.version)}
    )


def _endpoint(seat: Seat, name: str) -> Endpoint:
    endpoint = selectors.endpoint_of(project=seat.project, slug=name)
    if endpoint is None:
        raise EndpointUnknown(f"This project has no endpoint “{name}”.")
    return endpoint


def _changes(seat: Seat, endpoint: Endpoint, said: dict[str, Any]) -> services.Change:
    """Return what is to change, each tier of it as one that has machines. Raises what they do."""
    found = cast("services.Change", dict(said))
    region = said.get("region", endpoint.region)
    is_moved = region != endpoint.region
    if "tier" in said or is_moved:
        slug = said.get("tier", endpoint.tier.slug)
        found["tier"] = _tier(seat, endpoint, slug, region, may_stay=not is_moved)
    if said.get("fallback") is not None:
        fallback = offers.known_tier(said["fallback"], param="fallback")
        if fallback.pk != endpoint.fallback_id:
            seat.check_money("What an endpoint falls back to changes what it costs")
        found["fallback"] = fallback
    return found


def _tier(seat: Seat, endpoint: Endpoint, slug: str, region: str, *, may_stay: bool) -> ServiceTier:
    if slug == endpoint.tier.slug:
        if may_stay or not region:
            return endpoint.tier
    else:
        offers.known_tier(slug)
        seat.check_money("Moving an endpoint to another tier changes what it costs")
    return offers.chosen_tier(slug, project=seat.project, model=endpoint.model, region=region)


def _open(seat: Seat, said: dict[str, Any]) -> Endpoint:
    model, region = offers.chosen_model(said["model"]), said.get("region", "")
    fallback = said.get("fallback")
    new = services.NewEndpoint(
        project=seat.project,
        slug=said["slug"],
        model=model,
        tier=offers.chosen_tier(said["tier"], project=seat.project, model=model, region=region),
        region=region,
        fallback=offers.known_tier(fallback, param="fallback") if fallback else None,
    )
    return services.open_endpoint(new, opened_by=seat.maker, by=seat.actor)
