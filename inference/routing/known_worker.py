"""What is known of one worker (endpoint statistics): how fast it is, and what it has to do."""

from __future__ import annotations

from typing import Final

from inference.contracts.snapshot import UNPROVEN, Candidate
from inference.routing.elsewhere import Load
from inference.routing.placed import Placed
from inference.routing.predictors import SURE_COUNT, BetweenTokens, FirstToken, Prior
from inference.routing.prefixes import Calibration

ONE: Final = 1024
MICRO: Final = 1_000_000
FAIR: Final = 10
OVERDUE_MIN_S: Final = 0.5
ERROR_ALPHA: Final = 0.1
FOREIGN_WEIGHT: Final = 256


class KnownWorker:
    """One worker, as this gateway sees it.

    ``backlog``: uncached prompt tokens sent there whose answers have not begun; ``importance``:
    what those in flight count, 1,024 each that named a target.
    """

    __slots__ = (
        "_errors",
        "_lost_s",
        "_waiting",
        "accelerator",
        "backlog",
        "between",
        "calibration",
        "first",
        "importance",
        "in_flight",
        "model",
    )

    def __init__(self, prior: Prior, model: str, accelerator: str) -> None:
        self.model = model
        self.accelerator = accelerator
        self.first = FirstToken(prior)
        self.between = BetweenTokens()
        self.calibration = Calibration()
        self.backlog = self.importance = self.in_flight = 0
        self._waiting: dict[int, Placed] = {}
        self._errors = self._lost_s = 0.0

    @property
    def is_proven(self) -> bool:
        """Say whether enough answers have taught how fast it is."""
        return self.first.count >= FAIR

    @property
    def is_idle(self) -> bool:
        """Say whether it has nothing of ours."""
        return self.in_flight == 0

    def oldest_waiting(self) -> Placed | None:
        """Return the request that has waited longest for its first token; none if none waits."""
        return next(iter(self._waiting.values()), None)

    def take(self, placed: Placed) -> None:
        """Count a request that was sent there."""
        self.in_flight += 1
        self.importance += placed.weight
        self.backlog += placed.new
        self._waiting[placed.number] = placed

    def answered(self, placed: Placed, now_us: int, *, teaches: bool) -> None:
        """Learn that a first token came."""
        if self._waiting.pop(placed.number, None) is None:
            return
        placed.first_us = now_us
        self.backlog -= placed.new
        self._errors -= ERROR_ALPHA * self._errors
        if teaches:
            took_s = (now_us - placed.sent_us) / MICRO
            self.first.learn(placed.ahead, took_s, now_us / MICRO)

    def drop(self, placed: Placed) -> None:
        """Count a request no more, however it ended."""
        if self._waiting.pop(placed.number, None) is not None:
            self.backlog -= placed.new
        self.in_flight -= 1
        self.importance -= placed.weight

    def failed(self, placed: Placed, now_us: int) -> None:
        """Learn that it failed, and what time that cost whoever asked."""
        lost_s = (now_us - placed.sent_us) / MICRO
        self._lost_s += ERROR_ALPHA * (lost_s - self._lost_s)
        self._errors += ERROR_ALPHA * (1.0 - self._errors)

    def look_at_overdue(self, now_us: int) -> None:
        """Learn of a first token that is long overdue, without waiting for it."""
        for placed in self._waiting.values():  # The oldest is the first.
            waited_s, now_s = (now_us - placed.sent_us) / MICRO, now_us / MICRO
            expected_s = self.first.line_s(placed.ahead) * self.first.factor(now_s)
            if waited_s > 2 * expected_s * self.first.quantiles.p90(expected_s) + OVERDUE_MIN_S:
                self.first.overdue(placed.ahead, waited_s, now_s)
            return

    @property
    def load(self) -> Load:
        """Return what this gateway has there."""
        return self.in_flight, self.backlog, self.importance

    def describe(
        self, candidate: Candidate, now_us: int, tokens: int, hit: int, others: Load
    ) -> None:
        """Write what is known into a candidate, for a prompt of which it has read ``hit``.

        ``others``: what other gateways say that they have there.
        """
        first, now_s = self.first, now_us / MICRO
        believed = int(hit * self.calibration.value)
        candidate.hit_tokens = believed
        candidate.new_tokens = max(16, tokens - believed)
        candidate.backlog = self.backlog + others[1]
        known = self.in_flight + others[0]
        # Of what nobody told us only the number is known: each counts as if it had no target.
        foreign = max(0, candidate.in_flight - known)
        candidate.importance = self.importance + others[2] + FOREIGN_WEIGHT * foreign
        candidate.in_flight = known + foreign
        candidate.base_us = int(first.base_s * MICRO)
        candidate.speed_ns = int(first.speed_s * 1_000_000_000)
        factor = first.factor(now_s)
        candidate.factor = int(factor * ONE)
        expected_s = first.line_s(candidate.backlog + candidate.new_tokens) * factor
        candidate.q90 = int(first.quantiles.p90(expected_s) * ONE)
        candidate.tpot_us = int(self.between.at_s(candidate.in_flight + 1) * MICRO)
        candidate.extras_us += int(self._errors * self._lost_s * MICRO)
        if not self.is_proven:
            candidate.state |= UNPROVEN

    def price_reading(self, candidate: Candidate, again: float) -> None:
        """Add what it costs later that a prompt is read here: each token ``again`` times more.

        Those who wait for it then are taken to have no target.
        """
        own_ns = candidate.new_tokens * (candidate.speed_ns * candidate.factor // ONE)
        candidate.extras_us += int(own_ns * again) // 1000 * FOREIGN_WEIGHT // ONE

    @property
    def confidence(self) -> str:
        """Say how much its predictions are worth: ``low``, ``fair`` or ``good``."""
        if not self.is_proven:
            return "low"
        return "fair" if self.first.count < SURE_COUNT else "good"
