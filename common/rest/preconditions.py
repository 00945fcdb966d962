"""``ETag`` and ``If-Match``: nobody overwrites a change they have not seen (RFC 9110 §13.1.1)."""

from __future__ import annotations

import hashlib
import json

from rest_framework.request import Request

from common.problems import Stale
from common.rest.errors import PreconditionRequired


def etag_of(state: object) -> str:
    """Return the strong entity tag of a state: a row's version, or any JSON-able value."""
    if isinstance(state, int):
        return f'"v{state}"'
    text = json.dumps(state, sort_keys=True, default=str)
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:24]}"'


def check_match(request: Request, etag: str, *, is_required: bool = True) -> None:
    """Let an update pass only if it was made from the present state.

    Raises ``PreconditionRequired`` without ``If-Match`` (``*`` means "whatever it is now"),
    ``Stale`` if none of its tags is the present one.
    """
    said = request.headers.get("If-Match", "").strip()
    if not said:
        if is_required:
            raise PreconditionRequired(
                "Say which state you change: send the ETag you read as If-Match, or If-Match: *."
            )
        return
    if said != "*" and etag not in [tag.strip() for tag in said.split(",")]:
        raise Stale("It has changed since you read it. Read it again.")
