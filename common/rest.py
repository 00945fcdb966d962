"""What every resource of the management API shares: strict input, one list shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rest_framework import serializers

MAX_LIMIT = 100
DEFAULT_LIMIT = 20


class StrictSerializer(serializers.Serializer[Any]):
    """Input in which an unknown field is a mistake, not noise."""

    def to_internal_value(self, data: Any) -> Any:
        """Refuse fields that nobody named."""
        if isinstance(data, dict):
            unknown = sorted(set(data) - set(self.fields))
            if unknown:
                raise serializers.ValidationError({unknown[0]: ["This field is not known."]})
        return super().to_internal_value(data)


class Window(StrictSerializer):
    """Which part of a list is wanted: ``limit`` items after or before an item's id."""

    limit = serializers.IntegerField(min_value=1, max_value=MAX_LIMIT, default=DEFAULT_LIMIT)
    after = serializers.CharField(required=False, help_text="Id of the item before the first")
    before = serializers.CharField(required=False, help_text="Id of the item after the last")


def as_list(rows: Sequence[dict[str, Any]], *, has_more: bool) -> dict[str, Any]:
    """Return a page in the list shape of the OpenAI API."""
    return {
        "object": "list",
        "data": list(rows),
        "has_more": has_more,
        "first_id": rows[0]["id"] if rows else None,
        "last_id": rows[-1]["id"] if rows else None,
    }
