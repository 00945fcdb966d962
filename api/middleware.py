"""What every answer carries, and what errors look like under the API's addresses.

Outermost, so that it also frames what Django itself answers: an unknown address, a wrong
host, a bug.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, JsonResponse

from api.problems import envelope
from common import ids
from common.actor import REQUEST_ID
from common.rest import throttle

_API = re.compile(r"^/(proj_[^/]*/v1(/|$)|api/|[^/]+/v1/management(/|$))")
_DESCRIPTION = "/api/openapi.json"
_SANE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/+=-]{0,127}", re.ASCII)
_INVALID = "invalid_request_error"
_WORDS: dict[int, tuple[str, str, str]] = {
    400: ("invalid_request", _INVALID, "The request is not well formed."),
    403: ("permission_denied", "authentication_error", "This is not allowed."),
    404: ("not_found", _INVALID, "There is nothing at this address."),
    405: ("method_not_allowed", _INVALID, "This address does not take this method."),
    413: ("request_too_large", _INVALID, "The body is too large."),
    429: ("rate_limit_exceeded", "rate_limit_error", "Too many requests. Try again later."),
    503: ("service_unavailable", "service_error", "We are busy. Try again in a moment."),
}
_KEPT = ("Allow", "Retry-After")
_BUG = ("internal_error", "service_error", "Something broke on our side; it was recorded.")


class ApiFrame:
    """Give every request an id, every answer its headers, and every API error its envelope."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Frame one request."""
        ours = ids.request_id()
        request.META[REQUEST_ID] = ours
        theirs = request.headers.get("X-Request-ID", "")
        response = self._answer(request)
        response["X-Request-ID"] = theirs if _SANE.fullmatch(theirs) else ours
        response["X-Xerotier-Request-ID"] = ours
        rate: throttle.Rate | None = request.META.get(throttle.META)
        if rate is not None:
            for name, value in rate.headers().items():
                response[name] = value
        return response

    def _answer(self, request: HttpRequest) -> HttpResponse:
        is_api = _API.match(request.path_info) is not None
        if is_api and "\0" in request.path_info:
            # PostgreSQL takes no NUL in text; no id of ours has one.
            return _enveloped(HttpResponse(status=404))
        response = self._get_response(request)
        is_page = not response.headers.get("Content-Type", "").startswith("application/json")
        return _enveloped(response) if is_api and is_page and _is_error(response) else response


def _is_error(response: HttpResponse) -> bool:
    return response.status_code >= 400  # noqa: PLR2004 - where errors begin


def _enveloped(response: HttpResponse) -> HttpResponse:
    code, kind, message = _WORDS.get(response.status_code, _BUG)
    answer = JsonResponse(
        envelope(message=message, kind=kind, code=code), status=response.status_code
    )
    for name in _KEPT:
        if name in response:
            answer[name] = response[name]
    return answer


def counts_for_itself(path: str) -> bool:
    """Say whether an address has a count of its own, beside that of pages."""
    return _API.match(path) is not None and path != _DESCRIPTION
