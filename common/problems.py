"""Refusals that are part of the product, as opposed to bugs.

A service raises one of these; an edge turns it into a response in exactly one place.
Anything else that escapes is a bug, becomes a 500 and pages somebody.
"""

from __future__ import annotations

import math
from collections.abc import Mapping


class Problem(Exception):
    """Base of every refusal. ``code`` is public API; the message may be reworded.

    ``kind`` is the ``type`` of the error envelope; ``param`` names the field at fault; ``more``
    is what else a program needs to know, as further members of the envelope.
    """

    code = "problem"
    status = 400
    kind = "invalid_request_error"

    def __init__(
        self, message: str, *, param: str | None = None, more: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.more = more or {}


class Stale(Problem):
    """The object has changed since the caller read it (RFC 9110 §15.5.13)."""

    code = "precondition_failed"
    status = 412


class Later(Problem):
    """Not now: the same may be asked again in ``wait`` seconds (``Retry-After``)."""

    code = "service_unavailable"
    status = 503
    kind = "service_error"

    def __init__(self, message: str, *, wait: float, param: str | None = None) -> None:
        super().__init__(message, param=param)
        self.wait = max(1, math.ceil(wait))


class Busy(Later):
    """Our own fault: what this needs is taken at the moment."""


class TooOften(Later):
    """The caller has had what one may have in this time."""

    code = "rate_limit_exceeded"
    status = 429
    kind = "rate_limit_error"
