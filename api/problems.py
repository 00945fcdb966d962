"""The one place where a refusal of the control plane becomes an HTTP response."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.views import set_rollback

from common.busy import as_later
from common.problems import Problem

_BY_CLASS: tuple[tuple[type[Exception], int, str, str], ...] = (
    (exceptions.NotAuthenticated, 401, "invalid_api_key", "authentication_error"),
    (exceptions.AuthenticationFailed, 401, "invalid_api_key", "authentication_error"),
    (exceptions.PermissionDenied, 403, "permission_denied", "authentication_error"),
    (PermissionDenied, 403, "permission_denied", "authentication_error"),
    (exceptions.MethodNotAllowed, 405, "method_not_allowed", "invalid_request_error"),
    (exceptions.ParseError, 400, "json_parse_error", "invalid_request_error"),
    (exceptions.UnsupportedMediaType, 415, "unsupported_media_type", "invalid_request_error"),
    (exceptions.NotAcceptable, 406, "not_acceptable", "invalid_request_error"),
    (exceptions.Throttled, 429, "rate_limit_exceeded", "rate_limit_error"),
    (exceptions.NotFound, 404, "not_found", "invalid_request_error"),
    (Http404, 404, "not_found", "invalid_request_error"),
)

RETRY_STRATEGY = {
    "type": "exponential_backoff",
    "initial_delay_ms": 1000,
    "max_delay_ms": 30_000,
    "multiplier": 2.0,
    "jitter": 0.2,
}
"""How to come back after a 429, in the words the inference API uses too."""


def envelope(
    *, message: str, kind: str, code: str, param: str | None = None
) -> dict[str, dict[str, str | None]]:
    """Return an error in the shape of the OpenAI API."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def to_response(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Render a refusal; a bug passes through to the 500 handler."""
    exc = as_later(exc) or exc
    answer = _answer(exc)
    if answer is not None:
        set_rollback()
        _add_headers(answer, exc)
    return answer


def _answer(exc: Exception) -> Response | None:
    if isinstance(exc, Problem):
        body = envelope(message=exc.message, kind=exc.kind, code=exc.code, param=exc.param)
        return Response({"error": {**body["error"], **exc.more}}, status=exc.status)
    if isinstance(exc, exceptions.ValidationError):
        param, message = _first_fault(exc.detail)
        body = envelope(
            message=message, kind="invalid_request_error", code="invalid_request", param=param
        )
        return Response(body, status=status.HTTP_400_BAD_REQUEST)
    for kind_of, code_status, code, kind in _BY_CLASS:
        if isinstance(exc, kind_of):
            message = str(getattr(exc, "detail", None) or "There is nothing here.")
            return Response(envelope(message=message, kind=kind, code=code), status=code_status)
    return None


def _first_fault(detail: Any, path: str = "") -> tuple[str | None, str]:
    """Return the first field at fault, as a dotted path, and what is wrong with it."""
    if isinstance(detail, dict):
        name, inner = next(iter(detail.items()))
        step = "" if name == "non_field_errors" else str(name)
        return _first_fault(inner, ".".join(part for part in (path, step) if part))
    if isinstance(detail, list) and detail:
        return _first_fault(detail[0], path)
    return path or None, str(detail)


def _add_headers(answer: Response, exc: Exception) -> None:
    challenge = getattr(exc, "auth_header", None)
    if challenge:
        answer["WWW-Authenticate"] = challenge
    wait = getattr(exc, "wait", None)
    if wait is not None:
        seconds = max(1, int(wait))
        answer["Retry-After"] = str(seconds)
        answer.data["error"] |= {"retry_after": seconds, "retry_strategy": RETRY_STRATEGY}
