"""Every refusal the data plane can utter, and the envelope it is uttered in."""

from __future__ import annotations

import json
import math
from typing import Any

from inference.contracts.entries import Grant

REQUEST, AUTH, RATE, SERVICE = (
    "invalid_request_error",
    "authentication_error",
    "rate_limit_error",
    "service_error",
)

UNKNOWN, OTHER_PROTOCOL, TOO_MANY, UNAVAILABLE = 401, 426, 429, 503

CODES: dict[str, tuple[int, str]] = {
    "invalid_request": (400, REQUEST),
    "json_parse_error": (400, REQUEST),
    "invalid_slo_header": (400, REQUEST),
    "invalid_api_key": (401, AUTH),
    "scope_insufficient": (403, AUTH),
    "cross_project_access": (403, AUTH),
    "endpoint_not_allowed": (403, AUTH),
    "ip_not_allowed": (403, AUTH),
    "project_suspended": (403, AUTH),
    "endpoint_not_found": (404, REQUEST),
    "model_not_found": (404, REQUEST),
    "operation_not_supported": (404, REQUEST),
    "method_not_allowed": (405, REQUEST),
    "origin_not_allowed": (403, AUTH),
    "request_timeout": (408, REQUEST),
    "request_too_large": (413, REQUEST),
    "upgrade_required": (426, REQUEST),
    "rate_limit_exceeded": (429, RATE),
    "quota_exceeded": (429, RATE),
    "insufficient_balance": (429, RATE),
    "budget_exceeded": (429, RATE),
    "capacity_exceeded": (429, RATE),
    "endpoint_inactive": (503, SERVICE),
    "service_unavailable": (503, SERVICE),
    "upstream_error": (502, SERVICE),
    "upstream_timeout": (504, SERVICE),
}
"""Public code → status and type. ``docs/errors.md`` says the same in prose."""

FINAL = frozenset({"quota_exceeded", "insufficient_balance", "budget_exceeded"})
"""Refusals that waiting a moment does not mend."""

WAIT_S = {"endpoint_inactive": 5, "service_unavailable": 2, "capacity_exceeded": 2}
FINAL_WAIT_S = 3600

RETRY_STRATEGY = {
    "type": "exponential_backoff",
    "initial_delay_ms": 1000,
    "max_delay_ms": 60000,
    "multiplier": 2,
    "jitter": True,
}


class Refused(Exception):
    """A request that the plane answers itself. ``code`` is public API."""

    def __init__(
        self,
        code: str,
        message: str,
        param: str | None = None,
        retry_after_s: float | None = None,
        allow: tuple[str, ...] = (),
    ) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.param = param
        self.retry_after_s = retry_after_s
        self.allow = allow
        self.grant: Grant | None = None
        """Of whose key it is said, where that is known before the gate has let it pass."""

    @property
    def status(self) -> int:
        """HTTP status that goes with the code."""
        return CODES[self.code][0]

    def body(self) -> bytes:
        """Render the envelope that OpenAI clients expect."""
        error: dict[str, Any] = {
            "message": self.message,
            "type": CODES[self.code][1],
            "param": self.param,
            "code": self.code,
        }
        if self.status == TOO_MANY:
            error["retry_after"] = self._wait_s()
            if self.code not in FINAL:
                error["retry_strategy"] = RETRY_STRATEGY
        return json.dumps({"error": error}, ensure_ascii=False).encode()

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return the header fields that belong to this refusal, without ids and length."""
        fields = [(b"content-type", b"application/json")]
        if self.status in (TOO_MANY, UNAVAILABLE):
            fields.append((b"retry-after", b"%d" % self._wait_s()))
        if self.status == UNKNOWN:
            fields.append((b"www-authenticate", b"Bearer"))
        if self.status == OTHER_PROTOCOL:
            fields.append((b"upgrade", b"websocket"))
        if self.code in FINAL:
            fields.append((b"x-should-retry", b"false"))
        if self.allow:
            fields.append((b"allow", ", ".join(self.allow).encode()))
        return fields

    def _wait_s(self) -> int:
        if self.retry_after_s is not None:
            return max(1, math.ceil(self.retry_after_s))
        return FINAL_WAIT_S if self.code in FINAL else WAIT_S.get(self.code, 1)


def stream_error(code: str, message: str) -> bytes:
    """Render the event that ends a stream which can't be completed."""
    error = {"message": message, "type": "stream_error", "param": None, "code": code}
    return b"data: " + json.dumps({"error": error}).encode() + b"\n\n"
