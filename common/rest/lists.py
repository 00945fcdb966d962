"""The list shape of the OpenAI API, and cursors over it.

A cursor is the public id of an item. Rows stand newest first by their primary key, which
only grows, so a page never shifts under the reader and each is one range of an index.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from drf_spectacular.utils import inline_serializer
from rest_framework import serializers

from common.rest.errors import CursorUnknown

Row = TypeVar("Row", bound=Model)


def as_list(rows: Sequence[dict[str, Any]], *, has_more: bool) -> dict[str, Any]:
    """Return a page in the list shape of the OpenAI API."""
    return {
        "object": "list",
        "data": list(rows),
        "has_more": has_more,
        "first_id": rows[0]["id"] if rows else None,
        "last_id": rows[-1]["id"] if rows else None,
    }


def page_of(
    rows: QuerySet[Row],
    window: dict[str, Any],
    render: Callable[[Row], dict[str, Any]],
    *,
    id_field: str = "public_id",
) -> dict[str, Any]:
    """Return the part of ``rows`` that a validated ``Window`` asks for, newest first.

    ``has_more`` speaks of the direction of travel. Raises ``CursorUnknown`` for an id that
    is not in ``rows``, a stranger's just as a missing one.
    """
    limit = window["limit"]
    if "before" in window:
        newer = rows.filter(pk__gt=_pk_of(rows, window, "before", id_field)).order_by("pk")
        found = list(newer[: limit + 1])
        shown = found[:limit][::-1]
    else:
        if "after" in window:
            rows = rows.filter(pk__lt=_pk_of(rows, window, "after", id_field))
        found = list(rows.order_by("-pk")[: limit + 1])
        shown = found[:limit]
    return as_list([render(row) for row in shown], has_more=len(found) > limit)


def page_shape(name: str, item: type[serializers.Serializer[Any]]) -> serializers.Serializer[Any]:
    """Describe a page of items, for the OpenAPI document."""
    return inline_serializer(
        name,
        {
            "object": serializers.ChoiceField(["list"]),
            "data": item(many=True),
            "has_more": serializers.BooleanField(),
            "first_id": serializers.CharField(allow_null=True),
            "last_id": serializers.CharField(allow_null=True),
        },
    )


def _pk_of(rows: QuerySet[Row], window: dict[str, Any], side: str, id_field: str) -> Any:
    found = rows.filter(**{id_field: window[side]}).values_list("pk", flat=True).first()
    if found is None:
        raise CursorUnknown("This list has no such item.", param=side)
    return found
