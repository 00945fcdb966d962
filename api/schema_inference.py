"""The inference API in OpenAPI's words. The data plane serves it; Django never sees it.

Bodies pass through unchanged, so shapes say what we rely on and leave the rest open.
"""

from __future__ import annotations

from typing import Any

TAGS = [
    {"name": "inference", "description": "What OpenAI's SDKs speak, on an endpoint's own URL."},
    {"name": "endpoints", "description": "Permanent URLs, each bound to a model and a tier."},
    {"name": "api-keys", "description": "Credentials: issue, rotate, restrict, revoke."},
    {"name": "tokens", "description": "Passes: JWTs of five minutes instead of a key."},
    {"name": "machines", "description": "A project's own machines, and the keys they join with."},
    {"name": "members", "description": "Who sits in the project, and who was invited."},
    {"name": "project", "description": "The project itself."},
    {"name": "usage", "description": "What was used, and what it cost."},
    {"name": "audit", "description": "Who did what, chained so that nobody can rewrite it."},
    {"name": "operator", "description": "The platform's tiers and models, for its operators."},
]
PREFIX = "/{project_id}/{slug}/v1"
_PATH = [
    {
        "in": "path",
        "name": name,
        "required": True,
        "schema": {"type": "string"},
        "example": example,
        "description": text,
    }
    for name, example, text in (
        ("project_id", "proj_Ab3dE5fG7hJ9", "The project's id"),
        ("slug", "chat", "The endpoint's slug"),
    )
]
_HINTS = [
    {
        "in": "header",
        "name": name,
        "schema": {"type": "number", "exclusiveMinimum": 0},
        "description": f"Hoped-for {what}, a hint to the router",
    }
    for name, what in (
        ("X-SLO-TTFT-Ms", "time to the first token in ms"),
        ("X-SLO-TPOT-Ms", "time per further token in ms"),
    )
]
_ERRORS = (400, 401, 403, 404, 408, 413, 429, 500, 502, 503, 504)
_STREAMED = {"text/event-stream": {"schema": {"type": "string"}}}
_MODEL = {"type": "string", "minLength": 1, "description": "Any word: the endpoint's model serves"}
_TEXTS = {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
_USAGE = {"type": "object", "description": "Tokens, as the engine counted them"}


def _open(required: list[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": True,
    }


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _operation(
    name: str,
    summary: str,
    answer: str,
    *,
    body: tuple[str, dict[str, Any]] | None = None,
    streams: bool = False,
) -> dict[str, Any]:
    content: dict[str, Any] = {"application/json": {"schema": _ref(answer)}}
    if streams:
        content |= _STREAMED
    found: dict[str, Any] = {
        "operationId": name,
        "description": summary,
        "tags": ["inference"],
        "security": [{"inference_key": []}],
        "parameters": _PATH + (_HINTS if body else []),
        "responses": {"200": {"description": "As the worker answered", "content": content}}
        | {str(status): {"$ref": f"#/components/responses/E{status}"} for status in _ERRORS},
    }
    if body is not None:
        shape, example = body
        found["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _ref(shape), "example": example}},
        }
    return found


_SAYS = [{"role": "user", "content": "Say hello."}]
_NAME = "smollm2-135m-instruct"
INFERENCE_PATHS: dict[str, Any] = {
    f"{PREFIX}/chat/completions": {
        "post": _operation(
            "create_chat_completion",
            "Answer a conversation, as JSON or as a stream of events.",
            "ChatCompletion",
            body=("ChatRequest", {"model": _NAME, "messages": _SAYS, "max_tokens": 8}),
            streams=True,
        )
    },
    f"{PREFIX}/completions": {
        "post": _operation(
            "create_completion",
            "Go on from a text, as JSON or as a stream of events.",
            "Completion",
            body=("CompletionRequest", {"model": _NAME, "prompt": "Once", "max_tokens": 8}),
            streams=True,
        )
    },
    f"{PREFIX}/responses": {
        "post": _operation(
            "create_response",
            "Answer by the Responses API, where the worker speaks it.",
            "ModelResponse",
            body=("ResponseRequest", {"model": _NAME, "input": "Say hello."}),
            streams=True,
        )
    },
    f"{PREFIX}/embeddings": {
        "post": _operation(
            "create_embeddings",
            "Turn texts into vectors; for models of the task `embed`.",
            "Embeddings",
            body=("EmbeddingRequest", {"model": "all-minilm-l6-v2", "input": ["a", "b"]}),
        )
    },
    f"{PREFIX}/rerank": {
        "post": _operation(
            "rerank",
            "Order documents by how well they answer a query.",
            "Ranking",
            body=(
                "RerankRequest",
                {"model": "all-minilm-l6-v2", "query": "fruit", "documents": ["pear", "car"]},
            ),
        )
    },
    f"{PREFIX}/score": {
        "post": _operation(
            "score",
            "Say how alike texts are.",
            "Scores",
            body=("ScoreRequest", {"model": "all-minilm-l6-v2", "text_1": "a", "text_2": ["b"]}),
        )
    },
    f"{PREFIX}/models": {
        "get": _operation("list_models", "Say what this endpoint serves.", "ModelList")
    },
    f"{PREFIX}/models/{{name}}": {
        "get": _operation("get_model", "Describe the model this endpoint serves.", "ServedModel")
    },
}
INFERENCE_PATHS[f"{PREFIX}/models/{{name}}"]["get"]["parameters"] = [
    *_PATH,
    {
        "in": "path",
        "name": "name",
        "required": True,
        "schema": {"type": "string"},
        "example": _NAME,
        "description": "The model's name",
    },
]
INFERENCE_SCHEMAS: dict[str, Any] = {
    "ChatRequest": _open(
        ["model", "messages"],
        model=_MODEL,
        messages={"type": "array", "minItems": 1, "items": {"type": "object"}},
        stream={"type": "boolean"},
        max_tokens={"type": "integer", "minimum": 1},
        max_completion_tokens={"type": "integer", "minimum": 1},
        temperature={"type": "number"},
    ),
    "ChatCompletion": _open(
        ["id", "object", "choices"],
        id={"type": "string"},
        object={"const": "chat.completion"},
        choices={"type": "array", "items": {"type": "object"}},
        usage=_USAGE,
    ),
    "CompletionRequest": _open(
        ["model", "prompt"],
        model=_MODEL,
        prompt=_TEXTS,
        stream={"type": "boolean"},
        max_tokens={"type": "integer", "minimum": 1},
    ),
    "Completion": _open(
        ["id", "object", "choices"],
        id={"type": "string"},
        object={"const": "text_completion"},
        choices={"type": "array", "items": {"type": "object"}},
        usage=_USAGE,
    ),
    "ResponseRequest": _open(["model", "input"], model=_MODEL, stream={"type": "boolean"}),
    "ModelResponse": _open(["id", "object"], id={"type": "string"}, object={"const": "response"}),
    "EmbeddingRequest": _open(["model", "input"], model=_MODEL, input=_TEXTS),
    "Embeddings": _open(
        ["object", "data"],
        object={"const": "list"},
        data={"type": "array", "items": {"type": "object"}},
        usage=_USAGE,
    ),
    "RerankRequest": _open(
        ["query", "documents"],
        model=_MODEL,
        query={"type": "string"},
        documents={"type": "array", "items": {}},
        top_n={"type": "integer", "minimum": 1},
    ),
    "Ranking": _open(["results"], results={"type": "array", "items": {"type": "object"}}),
    "ScoreRequest": _open(["text_1", "text_2"], model=_MODEL, text_1=_TEXTS, text_2=_TEXTS),
    "Scores": _open(["data"], data={"type": "array", "items": {"type": "object"}}),
    "ServedModel": _open(["id", "object"], id={"type": "string"}, object={"const": "model"}),
    "ModelList": _open(
        ["object", "data"],
        object={"const": "list"},
        data={"type": "array", "items": _ref("ServedModel")},
    ),
}
