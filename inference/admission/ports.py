"""Letting in and settling, as the core asks for it: what a request wants, and the verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from inference.contracts.entries import Grant, Route
from inference.contracts.events import UsageEvent


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
