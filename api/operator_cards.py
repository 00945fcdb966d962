"""The operator API of models that machines have and the catalog lacks."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agents import cards
from api.operator_view import OperatorView


class ReporterOut(serializers.Serializer[Any]):
    """A machine that has the model."""

    id = serializers.CharField(source="agent")
    name = serializers.CharField()
    project = serializers.CharField(help_text="Whose it is (slug); empty: the operator's")


class CardOut(serializers.Serializer[Any]):
    """A model that the catalog lacks, with what machines say of it: nobody vouches for it."""

    object = serializers.ChoiceField(["model.card"], default="model.card", read_only=True)
    name = serializers.CharField(help_text="What its machines call it, and it would be added as")
    task = serializers.ChoiceField(["generate", "embed", "score"])
    context_length = serializers.IntegerField(allow_null=True)
    size_bytes = serializers.IntegerField(allow_null=True)
    operations = serializers.ListField(child=serializers.CharField())
    machines = ReporterOut(many=True)
    fault = serializers.CharField(help_text="Why it can't be added under this name; else empty")


class OperatorCards(OperatorView):
    """``/v1/operator/model-cards``."""

    @extend_schema(
        operation_id="operator_list_model_cards",
        tags=["operator"],
        responses=inline_serializer(
            "OperatorCardList",
            {"object": serializers.ChoiceField(["list"]), "data": CardOut(many=True)},
        ),
    )
    def get(self, request: Request) -> Response:
        """List the models that machines have and the catalog lacks, by name: `POST models` adds."""
        found = CardOut(cards.unknown(), many=True).data
        return Response({"object": "list", "data": found})
