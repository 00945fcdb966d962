"""What every answer carries, and what errors look like to whoever reads JSON.

Outermost, so that it also frames what Django itself answers: an unknown address, a wrong
host, a bug.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, JsonResponse

from api.problems import envelope
from api.wrong_address import hint_for
from common import ids
from common.actor import REQUEST_ID
from common.rest import throttle

_API = re.compile(r"^/(proj_[^/]*/v1(/|$)|api/|v1/operator(/|$)|[^/]+/v1/management(/|$))")
_DESCRIPTION = "/api/openapi.json"
_SANE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/+=-]{0,127}", re.ASCII)
_NUL = re.compile("%00")
_INVALID = "invalid_request_error"
_WORDS: dict[int, tuple[str, str, str]] = {
    400: ("invalid_request", _INVALID, "The request is not well formed."),
    401: ("invalid_api_key", "authentication_error", "This needs a key."),
    403: ("permission_denied", "authentication_error", "This is not allowed."),
    404: ("not_found", _INVALID, "There is nothing at this address."),
    405: ("method_not_allowed", _INVALID, "This address does not take this method."),
    413: ("request_too_large", _INVALID, "The body is too large."),
    429: ("rate_limit_exceeded", "rate_limit_error", "Too many requests. Try again later."),
    503: ("service_unavailable", "service_error", "We are busy. Try again in a moment."),
}
_BUG = ("internal_error", "service_error", "Something broke on our side; it was recorded.")
_UNKNOWN, _NOWHERE, _FIRST_ERROR = 401, 404, 400
_KEPT = ("Allow", "Retry-After", "WWW-Authenticate")


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
        if response.status_code == _UNKNOWN:
            response.headers.setdefault("WWW-Authenticate", "Bearer")
        rate: throttle.Rate | None = request.META.get(throttle.META)
        if rate is not None:
            for name, value in rate.headers().items():
                response[name] = value
        return response

    def _answer(self, request: HttpRequest) -> HttpResponse:
        is_api = _API.match(request.path_info) is not None
        if is_api and "\0" in request.path_info:
            # PostgreSQL takes no NUL in text; no id of ours has one.
            return _enveloped(HttpResponse(status=_NOWHERE), request)
        if not is_api:
            _drop_nul(request)
        response = self._get_response(request)
        is_page = not response.headers.get("Content-Type", "").startswith("application/json")
        if is_page and response.status_code >= _FIRST_ERROR and (is_api or _reads_json(request)):
            return _enveloped(response, request)
        return response


def _drop_nul(request: HttpRequest) -> None:
    """Read the question of a page without what no question of ours has: PostgreSQL refuses it."""
    asked = request.META.get("QUERY_STRING", "")
    if "%00" in asked:
        request.META["QUERY_STRING"] = _NUL.sub("", asked)


def _reads_json(request: HttpRequest) -> bool:
    """Say whether a program asks: it shows a key, sends JSON, or takes JSON and no page."""
    headers = request.headers
    accepted = headers.get("Accept", "")
    return (
        headers.get("Authorization", "")[:7].lower() == "bearer "
        or headers.get("Content-Type", "").lower().startswith("application/json")
        or ("application/json" in accepted and "text/html" not in accepted)
    )


def _enveloped(response: HttpResponse, request: HttpRequest) -> HttpResponse:
    code, kind, message = _WORDS.get(response.status_code, _BUG)
    if response.status_code == _NOWHERE:
        message += hint_for(request.path_info, f"{request.scheme}://{_host(request)}")
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


def _host(request: HttpRequest) -> str:
    # Not ``get_host``: that refuses a foreign one, and then this frames the refusal.
    host = request.headers.get("Host", "") or request.META.get("SERVER_NAME", "")
    return host if re.fullmatch(r"[0-9A-Za-z.:\[\]-]{1,260}", host) else "HOST"
