"""What was set aside for an answer, and what its end may cost: never more than a slice beyond.

A stream's hold is renewed by the largest of what was counted and what the engine claims. One
read may bring more than was held for: it is passed on, and no more is read until more is held.
What comes to light at the end only (thoughts that nobody saw, a prompt that was longer than it
looked) is asked for before it is charged; if that is refused, a slice for each answer beyond
what was held is all that is charged.
"""

from __future__ import annotations

from abc import abstractmethod

from inference.admission.ports import Verdict
from inference.body.claims import Bounds, Seen, charge, fits
from inference.body.heard import Heard
from inference.body.prepare import Prepared
from inference.body.room import SLICE_TOKENS, longest_answer
from inference.body.tokens import estimate_tokens
from inference.exchange.attempts import Attempts
from inference.exchange.request import ArrivingRequest
from inference.gate.passed import Passed
from inference.http.problems import Refused
from inference.telemetry.outcome import ONLY_READ

RENEW_AHEAD_TOKENS = 64


class Holding(Attempts):
    """The middle of a relay: it knows what is held."""

    __slots__ = (
        "_closing",
        "_has_asked",
        "_hold",
        "_is_held_back",
        "_is_renewing",
        "_most_out",
        "_paused_at",
        "_room",
    )

    def __init__(
        self, exchange: ArrivingRequest, passed: Passed, prepared: Prepared, verdict: Verdict
    ) -> None:
        super().__init__(exchange, passed, prepared, verdict)
        self._hold = verdict.hold_tokens
        self._room = self._most_out = 0
        self._is_renewing = False
        self._is_held_back = False
        self._paused_at: float | None = None
        self._has_asked = False
        self._closing: Seen | None = None
        """What came of an answer that is complete, and only waits until it is covered."""

    def is_covered(self, tokens: int) -> bool:
        """Say whether so many tokens are held; if not, hold them, and then say so to the exchange.

        Refused, they end the request.
        """
        if self._hold is None:
            return True
        # A renewal holds a slice more than it is told was used: that much less is told.
        self._renew(tokens - SLICE_TOKENS, ahead=SLICE_TOKENS - 1)
        return not self._is_renewing

    def _renew_by(self, watch: Heard) -> None:
        """Hold more, if what came, or what is claimed and can be so, leaves too little."""
        prepared = self._prepared
        if not self._room:  # Of a large body it is known only now how many answers it wants.
            bounds = Bounds(0, prepared.n, prepared.limit, self.passed.route.context_length)
            self._room, self._most_out = bounds.room, bounds.most_out
        tokens_in = max(prepared.prompt_tokens, min(watch.tokens_in, self._room))
        self._renew(tokens_in + min(watch.tokens, self._most_out))

    def _renew(self, so_far: int, ahead: int = RENEW_AHEAD_TOKENS) -> None:
        """Hold more, if ``so_far`` tokens of prompt and answer leave too little."""
        hold = self._hold
        if self._is_renewing or hold is None or so_far + ahead < hold:
            return
        self._is_renewing = True
        self._exchange.plane.limiter.renew(
            self._exchange.names.request_id, so_far, self._on_renewed
        )
        if self._is_renewing and so_far > self._beyond(hold) and self._call is not None:
            self._is_held_back = True
            self._call.pause()

    def _on_renewed(self, verdict: Verdict) -> None:
        self._is_renewing = False
        if verdict.allowed:
            self._hold = verdict.hold_tokens
        if self._closing is not None:
            self._has_asked |= not verdict.allowed
            self.try_to_close()
        elif verdict.allowed:
            self._read_on()
            self._exchange.go_on_holding()
        elif self._call is not None:
            self.end(Refused(verdict.code, verdict.message))

    def _read_on(self) -> None:
        if self._is_held_back:
            self._is_held_back = False
            if self._call is not None and self._paused_at is None:
                self._call.resume()

    def try_to_close(self) -> None:
        """End the answer well. If it owes more than may be charged as it is, ask for that first."""
        exchange, seen = self._exchange, self._closing
        if seen is None or self._is_renewing or exchange.is_over:
            return
        owes = 0 if self._has_asked else self._owes(seen, self._bounds(seen))
        if not owes:
            self.close(seen)
            return
        self._has_asked = self._is_renewing = True
        exchange.wait_until(exchange.plane.now() + exchange.plane.config.waits.decision_s)
        exchange.plane.limiter.renew(exchange.names.request_id, owes, self._on_renewed)

    @abstractmethod
    def close(self, seen: Seen) -> None:
        """End the answer well, and now."""

    @abstractmethod
    def end(self, refusal: Refused) -> None:
        """End the answer for a reason of ours."""

    def _beyond(self, hold: int) -> int:
        """Return what may be charged where so much is held: a slice for each answer more."""
        return hold + self._prepared.n * SLICE_TOKENS

    def _bounds(self, seen: Seen) -> Bounds:
        """Say what the request can have used at most."""
        prepared, route, outcome = self._prepared, self.passed.route, self._exchange.outcome
        bounds = Bounds(
            estimate_tokens(outcome.prompt_bytes),
            prepared.n,
            prepared.limit,
            route.context_length,
            reads_only=outcome.operation in ONLY_READ,
        )
        if bounds.reads_only and seen.claim is not None and not fits(seen.claim, bounds):
            # Each text may fill the model, and there are not more of them than commas and one.
            body = prepared.body
            bounds.answers = outcome.prompt_bytes if body is None else body.count(b",") + 1
        terms = route.terms
        if terms.price_per_million or terms.monthly_tokens is not None:
            bounds.ceiling = self._beyond(self._held())
        return bounds

    def _held(self) -> int:
        hold, prepared = self._hold, self._prepared
        if hold is not None:
            return hold
        route, prompt = self.passed.route, prepared.prompt_tokens
        if route.task != "generate":
            return prompt
        return prompt + prepared.n * longest_answer(route, prompt, prepared.limit, prepared.n)

    def _owes(self, seen: Seen, bounds: Bounds) -> int:
        """Return the tokens of an answer if they are more than may be charged as it is, else 0."""
        ceiling, bounds.ceiling = bounds.ceiling, None
        if ceiling is None:
            return 0
        tokens = charge(seen, bounds).tokens
        bounds.ceiling = ceiling
        so_many = tokens.tokens_in + tokens.tokens_out
        return so_many if so_many > ceiling else 0
