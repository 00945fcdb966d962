"""A request body, read once and changed in three documented ways at most."""

from __future__ import annotations

from inference.contracts import Route
from inference.glance import asked_in, number, prompt_bytes
from inference.problems import Refused
from inference.shapes import Asked
from inference.splice import ADD_USAGE, Malformed, read_request, splice, without_inline
from inference.tokens import estimate_tokens

GENERATING = frozenset({"chat/completions", "completions"})
"""Operations whose streams can be asked for usage, and end with ``[DONE]``."""


class Prepared:
    """A body ready for a worker, or none if it follows in pieces.

    ``n`` is how many answers the worker will make, ``limit`` how many tokens each may have
    (none: it was not said), ``clamped`` what to tell the caller of it, if anything.
    """

    __slots__ = (
        "body",
        "clamped",
        "drop_usage",
        "limit",
        "n",
        "prompt_bytes",
        "prompt_tokens",
        "streaming",
    )

    def __init__(
        self, body: bytes | None, prompt_bytes: int, *, streaming: bool, n: int, limit: int | None
    ) -> None:
        self.body = body
        self.streaming = streaming
        self.n = n
        self.limit = limit
        self.prompt_bytes = prompt_bytes
        self.prompt_tokens = estimate_tokens(prompt_bytes)
        self.drop_usage = False
        self.clamped = b""


def prepare(body: bytes, operation: str, route: Route) -> Prepared:
    """Read a whole body and splice what the endpoint asks for. Raises ``Refused``."""
    asked = None if route.defaults else asked_in(body)
    if asked is not None:
        made = _at_a_glance(body, asked, operation)
        if made.limit is None or _room(made, route) >= made.limit:
            return made
    try:
        return _carefully(body, operation, route)
    except Malformed as fault:
        raise Refused(fault.code, fault.message, fault.param) from fault


def _at_a_glance(body: bytes, asked: Asked, operation: str) -> Prepared:
    """Prepare a body that needs no change, or only asking for usage at its end."""
    size = without_inline(body, prompt_bytes(asked))
    streaming = asked.stream is True
    n = max(number(asked.n), number(asked.best_of), 1)
    made = Prepared(body, size, streaming=streaming, n=n, limit=_limit(asked, operation))
    if streaming and operation in GENERATING and not asked.stream_options:
        close_at = body.rindex(b"}")
        made.body = body[:close_at] + ADD_USAGE + body[close_at:]
        made.drop_usage = True
    return made


def _limit(asked: Asked, operation: str) -> int | None:
    # As in ``read_request``: the largest one that the operation knows, and 0 or less is none.
    if operation == "chat/completions":
        limit = max(number(asked.max_completion_tokens), number(asked.max_tokens))
    elif operation == "completions":
        limit = number(asked.max_tokens)
    elif operation == "responses":
        limit = number(asked.max_output_tokens)
    else:
        limit = max(
            number(asked.max_completion_tokens),
            number(asked.max_tokens),
            number(asked.max_output_tokens),
        )
    return limit if limit > 0 else None


def _carefully(body: bytes, operation: str, route: Route) -> Prepared:
    request = read_request(body, operation)
    ask_usage = request.streaming and not request.asked_usage and operation in GENERATING
    made = Prepared(
        body, request.prompt_bytes, streaming=request.streaming, n=request.n, limit=request.limit
    )
    made.drop_usage = ask_usage
    room = _room(made, route)
    # Without any room the prompt itself is too long, which is the worker's to say.
    clamps = request.limit is not None and 0 < room < request.limit
    if clamps:
        made.limit = room
        made.clamped = f"{request.limit_field}={room}".encode()
    made.body = splice(
        body,
        request,
        usage=ask_usage,
        limit=room if clamps else None,
        defaults=route.defaults,
    )
    return made


def _room(made: Prepared, route: Route) -> int:
    """Return for how many tokens of an answer the model has room beside the prompt."""
    if route.context_length is None:
        return made.limit or 0
    return route.context_length - made.prompt_tokens
