"""What an endpoint serves, in the shape of OpenAI's model list."""

from __future__ import annotations

import json
from typing import Any

from inference.contracts import Route
from inference.problems import Refused

OWNER = "xerotier"


def models_answer(route: Route, rest: str) -> bytes:
    """Answer ``models`` or ``models/{name}``. Refuses a name that is not served here."""
    model = _describe(route)
    if rest == "models":
        return json.dumps({"object": "list", "data": [model]}).encode()
    if rest.removeprefix("models/") != route.model:
        raise Refused("model_not_found", "This endpoint does not serve such a model.", "model")
    return json.dumps(model).encode()


def _describe(route: Route) -> dict[str, Any]:
    return {
        "id": route.model,
        "object": "model",
        "created": route.created_at,
        "owned_by": OWNER,
    }
