"""The operator API of the catalog: which models may be deployed, and what is said of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from agents import selectors as agents
from api.operator_view import OperatorView
from catalog import facts, selectors, services
from catalog.errors import ModelUnknown
from catalog.rules import NAME_MAX
from common.rest import (
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
    from catalog.models import CatalogModel


def _text(name: str) -> serializers.CharField:
    return serializers.CharField(
        max_length=facts.TEXTS[name], required=False, allow_blank=name != "title"
    )


def _words(name: str) -> serializers.ListField:
    word = serializers.CharField(max_length=facts.WORDS[name])
    return serializers.ListField(child=word, max_length=facts.WORDS_MAX, required=False)


def _count(name: str) -> serializers.IntegerField:
    return serializers.IntegerField(
        min_value=1, max_value=facts.COUNTS[name], allow_null=True, required=False
    )


class OperatorModelPatch(StrictSerializer):
    """What may be said of a model. What is not said stays."""

    title = _text("title")
    summary = _text("summary")
    card = _text("card")
    task = serializers.ChoiceField(facts.TASKS, required=False)
    family = _text("family")
    licence = _text("licence")
    parameters = _text("parameters")
    size_bytes = serializers.IntegerField(min_value=0, max_value=facts.SIZE_MAX, required=False)
    context_length = _count("context_length")
    dimensions = _count("dimensions")
    formats = _words("formats")
    tags = _words("tags")
    capabilities = _words("capabilities")
    defaults = serializers.DictField(
        required=False, help_text="Request fields that are set where a caller sends none"
    )
    is_listed = serializers.BooleanField(
        required=False, help_text="Whether it can be chosen for new endpoints"
    )


class OperatorModelIn(OperatorModelPatch):
    """A new model. Its name is for life; without a title it is called by its name."""

    name = serializers.CharField(max_length=NAME_MAX)
    task = serializers.ChoiceField(facts.TASKS)


class OperatorModelOut(serializers.Serializer[Any]):
    """A model of the catalog, withdrawn ones too, as operators see it."""

    object = serializers.ChoiceField(["model"], default="model", read_only=True)
    id = serializers.CharField(source="public_id")
    name = serializers.CharField()
    title = serializers.CharField()
    summary = serializers.CharField()
    card = serializers.CharField()
    task = serializers.ChoiceField(facts.TASKS)
    family = serializers.CharField()
    licence = serializers.CharField()
    parameters = serializers.CharField()
    size_bytes = serializers.IntegerField()
    context_length = serializers.IntegerField(allow_null=True)
    dimensions = serializers.IntegerField(allow_null=True)
    formats = serializers.ListField(child=serializers.CharField())
    tags = serializers.ListField(child=serializers.CharField())
    capabilities = serializers.ListField(child=serializers.CharField())
    defaults = serializers.DictField()
    is_listed = serializers.BooleanField()
    added_at = serializers.DateTimeField()
    machines = serializers.SerializerMethodField(help_text="Live machines, whoever they serve")
    endpoints = serializers.SerializerMethodField(help_text="Living endpoints that have it")

    @extend_schema_field(serializers.IntegerField())
    def get_machines(self, model: CatalogModel) -> int:
        """Return how many there are."""
        return len(agents.alive(agents.serving(model.name)))

    @extend_schema_field(serializers.IntegerField())
    def get_endpoints(self, model: CatalogModel) -> int:
        """Return how many there are."""
        return endpoints.reach_of(model)[0]


class OperatorModels(OperatorView):
    """``/v1/operator/models``."""

    queries = {"GET": Window}

    @extend_schema(
        operation_id="operator_list_models",
        tags=["operator"],
        parameters=[Window],
        responses=page_shape("OperatorModelPage", OperatorModelOut),
    )
    def get(self, request: Request) -> Response:
        """List the models of the catalog, withdrawn ones too, newest first."""
        rows = selectors.all_models()
        return Response(page_of(rows, self.asked, lambda row: OperatorModelOut(row).data))

    @extend_schema(
        operation_id="operator_add_model",
        tags=["operator"],
        request=OperatorModelIn,
        responses={201: OperatorModelOut},
    )
    def post(self, request: Request) -> Response:
        """Add a model to the catalog."""
        said = parse(OperatorModelIn, request)
        name = said.pop("name")
        said = {"title": name, **said}
        return answered_once(
            request,
            self.by,
            lambda: _shown(
                services.add_model(name=name, said=said, by=self.by), status.HTTP_201_CREATED
            ),
        )


class OperatorModel(OperatorView):
    """``/v1/operator/models/{id}``."""

    @extend_schema(operation_id="operator_get_model", tags=["operator"], responses=OperatorModelOut)
    def get(self, request: Request, model_id: str) -> Response:
        """Show one model."""
        return _shown(_model(model_id))

    @extend_schema(
        operation_id="operator_change_model",
        tags=["operator"],
        request=OperatorModelPatch,
        responses=OperatorModelOut,
    )
    def patch(self, request: Request, model_id: str) -> Response:
        """Change what is said of a model; gateways are told at once."""
        said = parse(OperatorModelPatch, request)
        model = _model(model_id)
        check_match(request, etag_of(model.version))
        return _shown(services.change_model(model=model, changes=said, by=self.by))

    @extend_schema(
        operation_id="operator_withdraw_model",
        tags=["operator"],
        request=None,
        responses={204: None},
    )
    def delete(self, request: Request, model_id: str) -> Response:
        """Withdraw a model: no new endpoints; those that have it go on."""
        model = _model(model_id)
        check_match(request, etag_of(model.version), is_required=False)
        services.withdraw_model(model=model, by=self.by)
        return Response(status=status.HTTP_204_NO_CONTENT)


def _shown(model: CatalogModel, code: int = status.HTTP_200_OK) -> Response:
    return Response(
        OperatorModelOut(model).data, status=code, headers={"ETag": etag_of(model.version)}
    )


def _model(named: str) -> CatalogModel:
    model = selectors.model_named(named)
    if model is None:
        raise ModelUnknown(f"The catalog has no model “{named}”.")
    return model
