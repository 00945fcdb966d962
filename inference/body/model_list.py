"""What an endpoint serves, in the shape of OpenAI's model list."""

from __future__ import annotations

import json
from typing import Any

from inference.contracts.entries import Route
from inference.http.problems import Refused

OWNER = "xerotier"


def models_answer(route: Route, rest: str) -> bytes:
    """Answer ``models`` or ``models/{name}``. Refuses a name that is not served here."""
    model = _describe(route)
    if rest == "models":
        return json.dumps({"object": "list", "data": [model]}).encode()
    if rest.removeprefix("models/").lower() != route.model.lower():
        raise Refused("model_not_found", "This endpoint does not serve such a model.", "model")
    return json.dumps(model).encode()


def _describe(route: Route) -> dict[str, Any]:
    """Describe a model: OpenAI's four fields, and what clients otherwise have to be told.

    The window goes by three names, because clients read vLLM's, llama.cpp's or OpenRouter's.
    """
    said: dict[str, Any] = {
        "id": route.model,
        "object": "model",
        "created": route.created_at,
        "owned_by": OWNER,
    }
    if route.context_length is not None:
        said["context_length"] = said["max_model_len"] = route.context_length
        said["meta"] = {"n_ctx": route.context_length}
    if route.capabilities:
        said["capabilities"] = list(route.capabilities)
    return said
