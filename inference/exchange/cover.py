"""What is set aside for one answer (holds, leases): and what its end may cost, a slice beyond.

A stream's hold is renewed by the largest of what was counted and what the engine claims. One
read may bring more than was held for: it is passed on, and no more is read until more is held.
What comes to light at the end only (thoughts that nobody saw, a prompt that was longer than it
looked) is asked for before it is charged; if that is refused, a slice for each answer beyond
what was held is all that is charged.
"""

from __future__ import annotations

from inference.admission.ports import Verdict
from inference.body.claims import Bounds, Seen, charge, fits
from inference.body.prepare import Prepared
from inference.body.room import SLICE_TOKENS, longest_answer
from inference.body.sse import StreamFilter
from inference.body.tokens import estimate_tokens
from inference.contracts.entries import Route
from inference.exchange.attempts import Attempts
from inference.exchange.request import Request
from inference.http.problems import Refused
from inference.telemetry.outcome import ONLY_READ

RENEW_AHEAD_TOKENS = 64


class Cover:
    """See the module. ``hold``: the tokens that are held, none if no renewal is ever due.

    ``closing``: what came of an answer that is complete, and only waits until it is covered.
    """

    __slots__ = (
        "_attempts",
        "_has_asked",
        "_is_renewing",
        "_most_out",
        "_prepared",
        "_request",
        "_room",
        "_route",
        "_settled",
        "closing",
        "hold",
    )

    def __init__(
        self,
        request: Request,
        attempts: Attempts,
        route: Route,
        prepared: Prepared,
        hold: int | None,
    ) -> None:
        self._request = request
        self._attempts = attempts
        self._route = route
        self._prepared = prepared
        self.hold = hold
        self._room = self._most_out = 0
        self._is_renewing = self._has_asked = False
        self.closing: Seen | None = None
        self._settled: Bounds | None = None
        """What the answer can have used, if it may end as it is."""

    # ── While it runs ──────────────────────────────────────────────────────────────────

    def is_covered(self, tokens: int) -> bool:
        """Say whether so many tokens are held; if not, hold them, and then say so to the request.

        Refused, they end it.
        """
        if self.hold is None:
            return True
        # A renewal holds a slice more than it is told was used: that much less is told.
        self._renew(tokens - SLICE_TOKENS, ahead=SLICE_TOKENS - 1)
        return not self._is_renewing

    def renew_by(self, watch: StreamFilter) -> None:
        """Hold more, if what came, or what is claimed and can be so, leaves too little."""
        prepared = self._prepared
        if not self._room:  # Of a large body it is known only now how many answers it wants.
            bounds = Bounds(0, prepared.n, prepared.limit, self._route.context_length)
            self._room, self._most_out = bounds.room, bounds.most_out
        tokens_in = max(prepared.prompt_tokens, min(watch.tokens_in, self._room))
        self._renew(tokens_in + min(watch.tokens, self._most_out))

    def _renew(self, so_far: int, ahead: int = RENEW_AHEAD_TOKENS) -> None:
        """Hold more, if ``so_far`` tokens of prompt and answer leave too little."""
        hold = self.hold
        if self._is_renewing or hold is None or so_far + ahead < hold:
            return
        self._ask_for(so_far)
        if self._is_renewing and so_far > self._beyond(hold):
            self._attempts.call.hold_back()

    def _ask_for(self, tokens: int) -> None:
        request = self._request
        self._is_renewing = True
        request.plane.limiter.renew(request.names.request_id, tokens, self._on_renewed)

    def _on_renewed(self, verdict: Verdict) -> None:
        request, attempts = self._request, self._attempts
        self._is_renewing = False
        if verdict.allowed:
            self.hold = verdict.hold_tokens
        if self.closing is not None:
            self._has_asked |= not verdict.allowed
            request.on_held()
        elif verdict.allowed:
            attempts.call.read_on()
            request.on_held()
        elif attempts.call.is_open:
            request.fail(Refused(verdict.code, verdict.message))

    # ── At its end ─────────────────────────────────────────────────────────────────────

    def may_end(self, seen: Seen) -> bool:
        """Say whether an answer that is complete may end now.

        If it owes more than may be charged as it is, that is asked for first, and the request
        is told when it was decided.
        """
        self.closing = seen
        if self._is_renewing:
            return False
        bounds = self._bounds(seen)
        owes = 0 if self._has_asked else self._owes(seen, bounds)
        if not owes:
            self._settled = bounds
            return True
        request, plane = self._request, self._request.plane
        self._has_asked = True
        request.wait_until(plane.now() + plane.config.waits.decision_s)
        self._ask_for(owes)
        return False

    def book(self, seen: Seen) -> None:
        """Write down what came of an answer, and what it can have cost at most."""
        outcome = self._request.outcome
        outcome.seen, outcome.bounds = seen, self._settled or self._bounds(seen)

    def _beyond(self, hold: int) -> int:
        """Return what may be charged where so much is held: a slice for each answer more."""
        return hold + self._prepared.n * SLICE_TOKENS

    def _bounds(self, seen: Seen) -> Bounds:
        """Say what the request can have used at most."""
        prepared, route, outcome = self._prepared, self._route, self._request.outcome
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
        hold, prepared, route = self.hold, self._prepared, self._route
        if hold is not None:
            return hold
        prompt = prepared.prompt_tokens
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
