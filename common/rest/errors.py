"""Refusals that any resource of the management API may answer with."""

from __future__ import annotations

from common.problems import Problem


class CursorUnknown(Problem):
    """``after`` or ``before`` names no item of this list."""

    code = "cursor_unknown"


class BodyTooLarge(Problem):
    """The request's body is over the limit."""

    code = "request_too_large"
    status = 413


class IdempotencyKeyMalformed(Problem):
    """An ``Idempotency-Key`` has 1 to 255 visible ASCII characters."""

    code = "idempotency_key_malformed"


class IdempotencyKeyReused(Problem):
    """The same key came with another body: one of the two is a mistake."""

    code = "idempotency_key_reused"
    status = 409


class RequestInFlight(Problem):
    """The first request with this key is still being answered; ask again in a moment."""

    code = "idempotency_request_in_flight"
    status = 409


class PreconditionRequired(Problem):
    """An update must name, by ``If-Match``, the state it was made from."""

    code = "precondition_required"
    status = 428
