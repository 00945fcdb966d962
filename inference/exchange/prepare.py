"""A request body, read once and changed in three documented ways at most."""

from __future__ import annotations

from dataclasses import dataclass

from inference.contracts import Route
from inference.problems import Refused
from inference.splice import Malformed, read_request, splice
from inference.tokens import estimate_tokens

GENERATING = frozenset({"chat/completions", "completions"})
"""Operations whose streams can be asked for usage, and end with ``[DONE]``."""


@dataclass(slots=True)
class Prepared:
    """A body ready for a worker, or none if it follows in pieces.

    ``clamped`` is what to tell the caller, if anything.
    """

    body: bytes | None
    streaming: bool
    n: int
    limit: int | None
    prompt_bytes: int
    prompt_tokens: int
    drop_usage: bool
    clamped: bytes


def prepare(body: bytes, operation: str, route: Route) -> Prepared:
    """Read a whole body and splice what the endpoint asks for. Raises ``Refused``."""
    try:
        request = read_request(body, operation)
    except Malformed as fault:
        raise Refused(fault.code, fault.message, fault.param) from fault
    prompt_tokens = estimate_tokens(request.prompt_bytes)
    ask_usage = request.streaming and not request.asked_usage and operation in GENERATING
    limit = request.limit
    if limit is not None and route.context_length is not None:
        room = route.context_length - prompt_tokens
        # Without any room the prompt itself is too long, which is the worker's to say.
        limit = min(limit, room) if room > 0 else limit
    clamps = limit != request.limit
    return Prepared(
        body=splice(
            body,
            request,
            usage=ask_usage,
            limit=limit if clamps else None,
            defaults=route.defaults,
        ),
        streaming=request.streaming,
        n=request.n,
        limit=limit,
        prompt_bytes=request.prompt_bytes,
        prompt_tokens=prompt_tokens,
        drop_usage=ask_usage,
        clamped=f"{request.limit_field}={limit}".encode() if clamps else b"",
    )
