"""Header fields that cross the gateway: allow lists, and ours.

Built from what is wanted, never copied and stripped: what nobody thought of stays outside.
What a worker's answer may show is decided where it is read, by ``fleet.allowed_headers``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from inference.http.lines import Headers, Lines

UP = frozenset(
    {
        b"content-type",
        b"accept",
        b"user-agent",
        b"traceparent",
        b"tracestate",
        b"openai-beta",
        b"openai-organization",
        b"openai-project",
        b"x-slo-ttft-ms",
        b"x-slo-tpot-ms",
    }
)
"""What a worker may see of a request's head. Never its key, cookies or addresses."""

SINGLE = (
    b"authorization",
    b"api-key",
    b"x-api-key",
    b"content-type",
    b"content-encoding",
    b"x-request-id",
    b"origin",
)
"""Fields of which two would be two truths."""

SSE: Final = (
    b"content-type: text/event-stream\r\ncache-control: no-cache\r\nx-accel-buffering: no\r\n"
)


_OURS: Final = b"\r\nx-xerotier-request-id: "
_AS_IT_SAYS: Final = b"\r\nx-content-type-options: nosniff\r\n"
"""An answer of a worker stands under the origin of our pages, and must never become one."""

_SANE_ID = re.compile(rb"[0-9A-Za-z._~+/=:@-]{1,128}").fullmatch


@dataclass(frozen=True)
class Slo:
    """What the caller hopes for: hints to the router, never deadlines."""

    ttft_ms: float | None = None
    tpot_ms: float | None = None


NO_SLO = Slo()


class Names:
    """The ids of one request: ours, and the caller's own if it sent a sane one."""

    __slots__ = ("caller_id", "raw", "request_id", "shown")

    def __init__(self, request_id: str, caller_id: str = "") -> None:
        self.request_id = request_id
        self.caller_id = caller_id
        self.raw = request_id.encode()
        self.shown: Lines = b""
        """What a page of another origin needs, to read the answer."""

    def lines(self) -> Lines:
        """Return the fields that every response has: two ids, and that it is what it says."""
        named = self.caller_id.encode() if self.caller_id else self.raw
        return b"".join((b"x-request-id: ", named, _OURS, self.raw, _AS_IT_SAYS, self.shown))

    def worker_lines(self, worker_id: str) -> Lines:
        """Return the ids of the worker that was chosen, and of the choice: the request's digits."""
        named, choice = worker_id.encode(), self.raw[4:]
        choice_field = b"\r\nx-xerotier-decision-id: dec_"
        return b"".join((b"x-xerotier-worker-id: ", named, choice_field, choice, b"\r\n"))


def lines_of(headers: Headers) -> Lines:
    """Write fields as they stand on the wire."""
    parts: list[bytes] = []
    for name, value in headers:
        parts += name, b": ", value, b"\r\n"
    return b"".join(parts)


def pairs_of(lines: Lines) -> Headers:
    """Read what ``lines_of`` wrote."""
    headers: Headers = []
    for line in lines.split(b"\r\n")[:-1]:
        name, _, value = line.partition(b": ")
        headers.append((name, value))
    return headers


def sane_id(value: bytes) -> str:
    """Return the caller's request id, or nothing if it is no sane token."""
    return value.decode("ascii") if _SANE_ID(value) else ""
