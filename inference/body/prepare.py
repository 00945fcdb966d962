"""A request body, read once and changed in four documented ways at most."""

from __future__ import annotations

from inference.body.fast_read import asked_in, number, parts_of, prompt_bytes
from inference.body.fast_shapes import Asked
from inference.body.inline import INLINE_BYTES, excess_of
from inference.body.room import sure_room
from inference.body.splice import ADD_USAGE, Malformed, counted, read_request, splice, with_model
from inference.body.tokens import estimate_tokens
from inference.contracts.entries import Route, Worker
from inference.http.problems import Refused

GENERATING = frozenset({"chat/completions", "completions"})
"""Operations whose streams can be asked for usage, and end with ``[DONE]``."""


class Prepared:
    """A body ready for a worker, or none if it follows in pieces.

    ``n`` is how many answers the worker will make, ``limit`` how many tokens each may have
    (none: it was not said), ``clamped`` what to tell the caller of it, if anything. ``read``: what
    an engine reads, in its order, the prompt last; nothing where that is not known.
    """

    __slots__ = (
        "body",
        "clamped",
        "drop_usage",
        "limit",
        "n",
        "prompt_bytes",
        "prompt_tokens",
        "read",
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
        self.read: list[memoryview] = []

    def body_for(self, worker: Worker) -> bytes | None:
        """Return it as this worker is to have it: with the name that it serves the model by."""
        if self.body is None or not worker.served_name:
            return self.body
        return with_model(self.body, worker.served_name)


def prepare(body: bytes, operation: str, route: Route) -> Prepared:
    """Read a whole body and splice what the endpoint asks for. Raises ``Refused``."""
    return glance(body, operation, route) or prepare_carefully(body, operation, route)


def glance(body: bytes, operation: str, route: Route) -> Prepared | None:
    """Read a whole body that is as usual, in microseconds; none if it needs careful reading."""
    asked = None if route.defaults else asked_in(body)
    if asked is None:
        return None
    prepared = _at_a_glance(body, asked, operation)
    is_kept = prepared.limit is None or _room(prepared, route) >= prepared.limit
    return prepared if is_kept else None


def prepare_carefully(body: bytes, operation: str, route: Route) -> Prepared:
    """Read a whole body member by member: milliseconds, if it is large. Raises ``Refused``."""
    try:
        return _carefully(body, operation, route)
    except Malformed as fault:
        raise Refused(fault.code, fault.message, fault.param) from fault


def _at_a_glance(body: bytes, asked: Asked, operation: str) -> Prepared:
    """Prepare a body that needs no change, or only asking for usage at its end."""
    size = counted(prompt_bytes(asked), len(body))
    if size > INLINE_BYTES:
        size -= excess_of(bytes(asked.messages)) + excess_of(bytes(asked.input))
    streaming = asked.stream is True
    n = max(number(asked.n), number(asked.best_of), 1)
    prepared = Prepared(body, size, streaming=streaming, n=n, limit=_limit(asked, operation))
    prepared.read = parts_of(asked)
    if streaming and operation in GENERATING and not asked.stream_options:
        close_at = body.rindex(b"}")
        prepared.body = body[:close_at] + ADD_USAGE + body[close_at:]
        prepared.drop_usage = True
    return prepared


def _limit(asked: Asked, operation: str) -> int | None:
    # As ``dialects.limit_in`` has it, of the names and numbers that are known at a glance.
    chat, plain, own = asked.max_completion_tokens, asked.max_tokens, asked.max_output_tokens
    if operation == "chat/completions":
        is_sure = bool(number(chat)) or bool(number(plain))
    elif operation == "completions":
        is_sure = bool(number(plain))
    elif operation == "responses":
        is_sure = bool(number(own))
    else:
        is_sure = True
    limit = max(number(chat), number(plain), number(own))
    return limit if is_sure and limit else None


def _carefully(body: bytes, operation: str, route: Route) -> Prepared:
    request = read_request(body, operation)
    ask_usage = request.streaming and not request.asked_usage and operation in GENERATING
    prepared = Prepared(
        body, request.prompt_bytes, streaming=request.streaming, n=request.n, limit=request.limit
    )
    prepared.drop_usage = ask_usage
    view = memoryview(body)
    prepared.read = [view[begin:end] for begin, end in request.prompt_spans]
    room = _room(prepared, route)
    # Without any room the prompt itself is too long, which is the worker's to say.
    clamps = request.limit is not None and 0 < room < request.limit
    if clamps:
        prepared.limit = room
        prepared.clamped = f"{request.limit_field}={room}".encode()
    prepared.body = splice(
        body,
        request,
        usage=ask_usage,
        limit=room if clamps else None,
        defaults=route.defaults,
    )
    return prepared


def _room(prepared: Prepared, route: Route) -> int:
    """Return the tokens beyond which an answer surely does not fit beside the prompt.

    Whether a shorter one does, only the worker can tell, which counts its own tokens.
    """
    if route.context_length is None:
        return prepared.limit or 0
    return sure_room(route.context_length, prepared.prompt_tokens)
