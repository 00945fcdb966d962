"""What the core of the data plane needs from the outside, said as protocols.

Everything here is *push* style: no futures and no tasks on the hot path, because the
event loop's task machinery costs more than the work itself (see bench/RESULTS.md).
A call returns at once; what comes of it is pushed into the object that asked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from inference.contracts.entries import Grant, Route, Worker
from inference.contracts.events import UsageEvent

Headers = list[tuple[bytes, bytes]]
"""Header fields as they stand on the wire; names in lower case."""

Lines = bytes
"""The same as bytes ready to be sent, ``name: value`` CRLF each: writing them once is cheaper
than handing pairs about. ``fields`` reads and writes them."""


class WorkerFailed(Exception):
    """A worker refused, reset, timed out or spoke nonsense.

    ``reason`` is one of ``connect``, ``reset``, ``timeout``, ``protocol``.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class Answer(Protocol):
    """Who receives a worker's answer. Calls come in this order and stop after end or failure."""

    def on_head(self, status: int, headers: Headers) -> None:
        """Take the status line and the header fields (hop-by-hop fields already removed)."""

    def on_data(self, data: bytes) -> None:
        """Take body bytes: de-chunked, never decompressed, one call for one socket read."""

    def on_drain(self) -> None:
        """Learn that the worker takes more of a streamed request body again."""

    def on_end(self) -> None:
        """Learn that the body is complete by its framing."""

    def on_fail(self, failure: WorkerFailed) -> None:
        """Learn that the answer broke off. Before ``on_head`` it never began."""


class Call(Protocol):
    """A request on its way to a worker: what the asker may still do with it."""

    def write(self, data: bytes) -> bool:
        """Send more of a streamed request body; false asks to wait for ``on_drain``."""

    def end(self) -> None:
        """Say that the streamed request body is complete."""

    def pause(self) -> None:
        """Stop reading the answer: the caller is slow."""

    def resume(self) -> None:
        """Go on reading."""

    def abort(self) -> None:
        """Close the connection now. Nothing is pushed to the answer afterwards."""

    def tell(self, answer: Answer) -> None:
        """Push what comes from now on to another."""


class Fleet(Protocol):
    """The workers, as something that can be asked."""

    def ask(
        self, worker: Worker, path: str, lines: Lines, body: bytes | None, answer: Answer
    ) -> Call:
        """Send ``POST {worker.url}{path}``; ``body=None`` means that it follows by ``write``.

        ``lines`` are the asker's own (``fleet.heads.extra_lines``).

        Never raises for what the network does: that arrives as ``answer.on_fail``, and
        never before this call has returned.
        """

    def in_flight(self, worker_id: str) -> int:
        """Return how many requests this process has with a worker now."""

    def close(self) -> None:
        """Close every connection. What was in flight fails."""


class Caller(Protocol):
    """The one who asked, as the core sees it: given by an edge, one for each request."""

    address: str
    """Whose it is: the peer, or who the trusted proxies say it is. No port."""

    def start(self, status: int, lines: Lines, *, has_length: bool) -> None:
        """Send the status line and header fields. With no length, the edge frames the body."""

    def write(self, data: bytes) -> None:
        """Send body bytes."""

    def finish(self) -> None:
        """Say that the answer is complete. Nothing may follow."""

    def abort(self) -> None:
        """Close the connection: the answer can't be completed honestly."""

    def pause_body(self) -> None:
        """Stop reading the request body: the worker is slow."""

    def resume_body(self) -> None:
        """Go on reading it."""


# ── Limits and money ───────────────────────────────────────────────────────────────────


UNKNOWN_LIMIT: Final = 4096
"""Tokens of an answer where neither the caller nor the model says how long it may be."""

SLICE_TOKENS: Final = 256
"""Tokens of each answer that a stream holds at once, and then renews."""

TOKENS_MAX: Final = 10**12
"""More than any request can use: whoever asks for more (``"n": 1e17``) holds this much."""


@dataclass(init=False)
class Ask:
    """A request that wants to be let in. ``now`` is Unix seconds.

    ``prompt_tokens`` is estimated from bytes. ``limit_tokens`` is what the caller allows a
    choice (none: it did not say); ``n`` is how many choices it wants. ``is_open``: more of its
    body is to come, so that what it holds has to grow.
    """

    request_id: str
    grant: Grant
    route: Route
    prompt_tokens: int
    limit_tokens: int | None
    n: int
    streaming: bool
    now: float
    operation: str
    is_open: bool

    def __init__(  # noqa: PLR0913, PLR0917 - spelled out: made for each request, and compiled
        self,
        request_id: str,
        grant: Grant,
        route: Route,
        prompt_tokens: int,
        limit_tokens: int | None,
        n: int,
        streaming: bool,
        now: float,
        operation: str = "",
        is_open: bool = False,
    ) -> None:
        self.request_id = request_id
        self.grant = grant
        self.route = route
        self.prompt_tokens = prompt_tokens
        self.limit_tokens = limit_tokens
        self.n = n
        self.streaming = streaming
        self.now = now
        self.operation = operation
        self.is_open = is_open


@dataclass(init=False)
class RateLimits:
    """What is left, for the ``x-ratelimit-*`` fields; ``None`` is unlimited: field left out."""

    limit_requests: int | None
    remaining_requests: int | None
    reset_requests_s: float
    limit_tokens: int | None
    remaining_tokens: int | None
    reset_tokens_s: float

    def __init__(
        self,
        limit_requests: int | None = None,
        remaining_requests: int | None = None,
        reset_requests_s: float = 0.0,
        limit_tokens: int | None = None,
        remaining_tokens: int | None = None,
        reset_tokens_s: float = 0.0,
    ) -> None:
        self.limit_requests = limit_requests
        self.remaining_requests = remaining_requests
        self.reset_requests_s = reset_requests_s
        self.limit_tokens = limit_tokens
        self.remaining_tokens = remaining_tokens
        self.reset_tokens_s = reset_tokens_s


@dataclass(init=False)
class Verdict:
    """A limiter's answer.

    A refusal has the ``code`` and ``message`` of the public error; ``retry_after_s`` only if
    waiting helps. ``hold_tokens`` is how many tokens, prompt and answer together, are covered
    before the next ``renew`` is due; ``None``: all of them.
    """

    allowed: bool
    code: str
    message: str
    retry_after_s: float | None
    limits: RateLimits | None
    hold_tokens: int | None

    def __init__(
        self,
        allowed: bool,
        code: str = "",
        message: str = "",
        retry_after_s: float | None = None,
        limits: RateLimits | None = None,
        hold_tokens: int | None = None,
    ) -> None:
        self.allowed = allowed
        self.code = code
        self.message = message
        self.retry_after_s = retry_after_s
        self.limits = limits
        self.hold_tokens = hold_tokens


OnVerdict = Callable[[Verdict], None]


class Limiter(Protocol):
    """Who decides whether a request may start and go on, and takes what it used.

    All calls return at once. A verdict may arrive before the call returns or later, once;
    a request that ends meanwhile is settled all the same, after its verdict came.
    """

    is_restored: bool
    """Whether Valkey has all that it should, as far as has been heard."""

    def admit(self, ask: Ask, on_verdict: OnVerdict) -> bool:
        """Decide; an allowed request holds what it asked for until it is settled.

        True while the verdict is still to come, but is all but sure to allow it.
        """

    def shut(self, grant: Grant, route: Route) -> Verdict | None:
        """Return the refusal that any request of this key would get here now, if that is known.

        Nobody is asked: it is what was said a moment ago, and said to last.
        """

    def renew(self, request_id: str, tokens_so_far: int, on_verdict: OnVerdict) -> None:
        """Hold more: ``tokens_so_far`` (prompt and answer, estimated) were used up."""

    def settle(self, event: UsageEvent) -> None:
        """Release every hold and report the usage. Once for each admitted request."""
