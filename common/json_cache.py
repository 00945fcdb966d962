"""What the cache holds is JSON: reading it can run nothing, whoever wrote it."""

from __future__ import annotations

import json


class JsonSerializer:
    """Django's serializer for Valkey, in JSON. Numbers stay numbers, so that they can be raised."""

    def dumps(self, value: object) -> str | int:
        """Write a value. Raises ``TypeError`` for what JSON can't say."""
        if type(value) is int:
            return value
        return json.dumps(value)

    def loads(self, data: bytes) -> object:
        """Read a value; what is no JSON counts as nothing there."""
        try:
            found: object = json.loads(data)
        except ValueError:
            return None
        return found
