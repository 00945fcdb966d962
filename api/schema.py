"""The OpenAPI document: what drf-spectacular reads from the views, completed.

Read from the views: paths, shapes, parameters. Added here: what holds for every operation
(headers, refusals, preconditions), the inference API, and an example for each operation.
"""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension

from api.examples import EXAMPLES, PATHS
from api.schema_inference import INFERENCE_PATHS, INFERENCE_SCHEMAS, TAGS

BODIES = {"post", "put", "patch"}
STRICT_ENDINGS = ("In", "Patch")
ALWAYS = (400, 401, 403, 404, 429, 500)
REFUSALS: dict[int, str] = {
    400: "The request is not well formed; `param` names the field at fault",
    401: "No key or session, or one that is not good (any more)",
    403: "A good key or session that may not do this",
    404: "There is no such thing, or none that the caller may know of",
    405: "The address does not take this method",
    408: "The request did not arrive in time",
    409: "It clashes with what is there, or with a request of the same `Idempotency-Key`",
    412: "It has changed since it was read (`If-Match`)",
    413: "The body is too large",
    415: "The body is not JSON",
    428: "An update must say by `If-Match` which state it changes",
    429: "Too many requests; `Retry-After` says how long to wait",
    500: "Something broke on our side",
    502: "The worker broke before its first byte, and no other could take over",
    503: "Nothing can serve this now; retry",
    504: "The worker took longer than the tier allows",
}
HEADERS = {
    "X-Request-ID": "The caller's own id of the request if it sent one, else ours",
    "X-Xerotier-Request-ID": "Our id of the request",
    "x-ratelimit-limit-requests": "Requests a minute",
    "x-ratelimit-remaining-requests": "What is left of them now",
    "x-ratelimit-reset-requests": "Until all of them are free again, such as `1.5s`",
}


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call] # why: untyped there
    """Describe management keys as bearers."""

    target_class = "api.authentication.KeyAuthentication"
    name = "management_key"
    scope = "management"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """Return a bearer scheme."""
        return {
            "type": "http",
            "scheme": "bearer",
            "description": f"A key with the scope `{self.scope}`",
        }


class UsageKeyScheme(KeyScheme):  # type: ignore[no-untyped-call] # why: untyped there
    """The same for keys that may infer and read usage."""

    target_class = "api.authentication.UsageKeyAuthentication"
    name = "inference_key"
    scope = "inference"


class OperatorTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call] # why: untyped there
    """Describe operators' tokens as bearers."""

    target_class = "api.authentication.OperatorAuthentication"
    name = "operator_token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """Return a bearer scheme."""
        made = "A token that `manage.py operator_token make` wrote; no key of a project"
        return {"type": "http", "scheme": "bearer", "description": made}


def only_ours(endpoints: list[Any], **_: Any) -> list[Any]:
    """Keep the operations that are part of the API."""
    return [found for found in endpoints if found[0] != "/api/openapi.json"]


def complete(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add to the document what the views do not say."""
    components = result["components"]
    for name, schema in components["schemas"].items():
        if name.endswith(STRICT_ENDINGS):
            schema["additionalProperties"] = False
    for path, methods in result["paths"].items():
        for method, operation in methods.items():
            _complete(path, method, operation)
    result["paths"] |= INFERENCE_PATHS
    components["schemas"] |= INFERENCE_SCHEMAS | {"Error": _ERROR}
    for status in REFUSALS:
        components.setdefault("responses", {})[f"E{status}"] = _refusal(status)
    components["headers"] = {
        name: {"description": text, "schema": {"type": "string"}} for name, text in HEADERS.items()
    }
    result["tags"] = TAGS
    result["servers"] = [{"url": "/"}]
    return result


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    for answer in operation["responses"].values():
        answer["headers"] = {
            name: {"$ref": f"#/components/headers/{name}"} for name in HEADERS
        } | answer.get("headers", {})
    for status in _statuses(method, operation):
        ref = {"$ref": f"#/components/responses/E{status}"}
        operation["responses"].setdefault(str(status), ref)
    parameters = operation.setdefault("parameters", [])
    is_management = "/v1/management/" in path or path.startswith("/v1/operator/")
    if is_management and method == "post":
        parameters.append(_header("Idempotency-Key", "Answered once, however often it is sent"))
    if is_management and method in {"put", "patch", "delete"}:
        is_required = method != "delete"
        parameters.append(
            _header("If-Match", "The `ETag` that was read, or `*`", is_required=is_required)
        )
    _illustrate(operation, parameters)


def _statuses(method: str, operation: dict[str, Any]) -> list[int]:
    found = list(ALWAYS)
    if method in BODIES:
        found += [409, 413, 415]
    if method in {"put", "patch", "delete"}:
        found += [409, 412, 428]
    if method == "post":
        found += [412]
    return found


def _illustrate(operation: dict[str, Any], parameters: list[dict[str, Any]]) -> None:
    example = EXAMPLES.get(operation["operationId"])
    for parameter in parameters:
        name = parameter["name"]
        if name in PATHS and parameter["in"] == "path":
            parameter["example"], parameter["description"] = PATHS[name]
        elif example is not None and name in example.query:
            parameter["example"] = example.query[name]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if body is not None and example is not None:
        body["example"] = example.body


def _header(name: str, text: str, *, is_required: bool = False) -> dict[str, Any]:
    schema = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}
    found: dict[str, Any] = {"in": "header", "name": name, "description": text, "schema": schema}
    if name == "If-Match":
        found["example"] = "*"
    return found | ({"required": True} if is_required else {})


def _refusal(status: int) -> dict[str, Any]:
    ref = {"$ref": "#/components/schemas/Error"}
    return {"description": REFUSALS[status], "content": {"application/json": {"schema": ref}}}


_ERROR = {
    "type": "object",
    "description": "Every refusal. `code` is stable; the message is for people.",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
                "retry_after": {"type": "integer"},
                "retry_strategy": {"type": "object"},
            },
        }
    },
}
