"""Strict input: an unknown field is a mistake that is named, never noise that is dropped."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser
from rest_framework.request import Request

from common.rest.errors import BodyTooLarge

MAX_LIMIT = 100
DEFAULT_LIMIT = 20
BODY_LIMIT_BYTES = 1 << 20
NAMES_SHOWN = 20
NAME_SHOWN = 40


class StrictSerializer(serializers.Serializer[Any]):
    """Input in which an unknown field is a mistake, not noise."""

    def to_internal_value(self, data: Any) -> Any:
        """Refuse fields that nobody named."""
        if isinstance(data, dict):
            unknown = sorted(set(data) - set(self.fields))
            if unknown:
                raise serializers.ValidationError({unknown[0]: [_not_known(unknown)]})
        return super().to_internal_value(data)


def _not_known(names: Sequence[str]) -> str:
    """Say which fields nobody named, all at once, so that one try more is enough."""
    if len(names) == 1:
        return "This field is not known."
    shown = ", ".join(name[:NAME_SHOWN] for name in names[:NAMES_SHOWN])
    left = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return f"These fields are not known: {shown}{left}."


class NoQuery(StrictSerializer):
    """The query of a resource that takes no parameters."""


class Window(StrictSerializer):
    """Which part of a list is wanted: ``limit`` items after or before an item's id."""

    limit = serializers.IntegerField(
        min_value=1, max_value=MAX_LIMIT, default=DEFAULT_LIMIT, help_text="Items a page"
    )
    after = serializers.CharField(
        required=False, max_length=64, help_text="Id of the item before the first"
    )
    before = serializers.CharField(
        required=False, max_length=64, help_text="Id of the item after the last"
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse both directions at once."""
        if "after" in attrs and "before" in attrs:
            raise serializers.ValidationError({"before": ["Give after or before, not both."]})
        return attrs


def parse(shape: type[StrictSerializer], request: Request) -> dict[str, Any]:
    """Return a request's body in this shape; raises ``ValidationError`` naming the field."""
    asked = shape(data=request.data)
    asked.is_valid(raise_exception=True)
    said: dict[str, Any] = asked.validated_data
    return said


def parse_query(shape: type[StrictSerializer], request: Request) -> dict[str, Any]:
    """Return a request's query parameters in this shape; each may stand there once."""
    query = request.query_params
    repeated = next((name for name in query if len(query.getlist(name)) > 1), None)
    if repeated is not None:
        raise serializers.ValidationError({repeated: ["Give this parameter once."]})
    asked = shape(data=query.dict())
    asked.is_valid(raise_exception=True)
    said: dict[str, Any] = asked.validated_data
    return said


class BoundedJSONParser(JSONParser):
    """JSON of a sane size and depth: neither a long nor a deep body may hurt the server."""

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        """Read at most the limit. Raises ``BodyTooLarge`` or ``ParseError``."""
        body = stream.read(BODY_LIMIT_BYTES + 1)
        if len(body) > BODY_LIMIT_BYTES:
            raise BodyTooLarge(f"A body may have {BODY_LIMIT_BYTES} bytes.")
        try:
            return json.loads(body.decode(), parse_constant=_no_constant)
        except (ValueError, RecursionError) as fault:
            # RecursionError: a body of nothing but open brackets.
            reason = "It is nested too deeply." if isinstance(fault, RecursionError) else str(fault)
            raise ParseError(f"The body is not JSON: {reason}") from fault


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON value")
