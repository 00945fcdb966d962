"""Header fields that cross the gateway: allow lists, and ours.

Built from what is wanted, never copied and stripped: what nobody thought of stays outside.
What a worker's answer may show is decided where it is read, in ``fleet.heads``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from inference.ids import decision_id
from inference.ports import Headers, RateLimits

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

SINGLE = (b"authorization", b"content-type", b"content-encoding", b"x-request-id")
"""Fields of which two would be two truths."""

SSE: Headers = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]

_SANE_ID = re.compile(rb"[0-9A-Za-z._~+/=:@-]{1,128}").fullmatch


@dataclass(frozen=True)
class Slo:
    """What the caller hopes for: hints to the router, never deadlines."""

    ttft_ms: float | None = None
    tpot_ms: float | None = None


NO_SLO = Slo()


@dataclass
class Names:
    """The ids of one request: ours, and the caller's own if it sent a sane one."""

    request_id: str
    caller_id: str = ""

    def fields(self) -> Headers:
        """Return the two id fields that every response has."""
        ours = self.request_id.encode()
        shown = self.caller_id.encode() if self.caller_id else ours
        return [(b"x-request-id", shown), (b"x-xerotier-request-id", ours)]

    def worker_fields(self, worker_id: str) -> Headers:
        """Return the ids of the worker that was chosen, and of the choice."""
        return [
            (b"x-xerotier-worker-id", worker_id.encode()),
            (b"x-xerotier-decision-id", decision_id(self.request_id).encode()),
        ]


def sane_id(value: bytes) -> str:
    """Return the caller's request id, or nothing if it is no sane token."""
    return value.decode("ascii") if _SANE_ID(value) else ""


def rate_fields(limits: RateLimits | None) -> Headers:
    """Write OpenAI's six rate-limit fields; an unlimited kind has none."""
    if limits is None:
        return []
    requests: Headers = []
    tokens: Headers = []
    if limits.limit_requests is not None:
        requests = [
            (b"x-ratelimit-limit-requests", b"%d" % limits.limit_requests),
            (b"x-ratelimit-remaining-requests", b"%d" % max(0, limits.remaining_requests or 0)),
            (b"x-ratelimit-reset-requests", duration(limits.reset_requests_s)),
        ]
    if limits.limit_tokens is not None:
        tokens = [
            (b"x-ratelimit-limit-tokens", b"%d" % limits.limit_tokens),
            (b"x-ratelimit-remaining-tokens", b"%d" % max(0, limits.remaining_tokens or 0)),
            (b"x-ratelimit-reset-tokens", duration(limits.reset_tokens_s)),
        ]
    return requests + tokens


def duration(seconds: float) -> bytes:
    """Write a duration as OpenAI does: ``12ms``, ``1s``, ``6m0s``, ``1h0m30s``."""
    if seconds < 1:
        return b"%dms" % max(0, int(seconds * 1000 + 0.5))
    whole = int(seconds + 0.5)
    minutes, rest = divmod(whole, 60)
    if minutes == 0:
        return b"%ds" % rest
    hours, minutes = divmod(minutes, 60)
    return b"%dh%dm%ds" % (hours, minutes, rest) if hours else b"%dm%ds" % (minutes, rest)
