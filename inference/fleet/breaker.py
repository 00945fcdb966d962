"""When to leave a worker alone, and when to try it again: pure, time is passed in.

Closed: it is asked. Open: it is not. Half open: one trial request decides. What counts as a
failure is the caller's to say: no connection, a reset, a timeout, nonsense or a 5xx do; a 4xx
is the fault of whoever asked, and 429 or 503 with ``Retry-After`` is a full worker, not a
broken one.

The numbers: five failures in a row open it, or half of at least twenty answers within ten
seconds (a worker that fails every other request never fails five in a row for long). It stays
open for one second, then twice as long after each failed trial, at most thirty. A trial that
is never heard of again is given up after the trial time, so that a lost report cannot close a
worker off for good.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class State(Enum):
    """What may be sent to a worker."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True)
class BreakerConfig:
    """When to open and for how long."""

    failures_in_row: int = 5
    window_s: float = 10.0
    window_min: int = 20
    window_share: float = 0.5
    open_s: float = 1.0
    open_max_s: float = 30.0
    trial_s: float = 60.0


class Breaker:
    """The breaker of one worker. ``now_s`` is a monotonic clock and never goes back."""

    __slots__ = ("_config", "_in_row", "_open_s", "_seen", "_trial_until_s", "_until_s", "_window")

    def __init__(self, config: BreakerConfig | None = None) -> None:
        self._config = config or BreakerConfig()
        self._open_s = self._config.open_s
        self._until_s: float | None = None
        self._trial_until_s: float | None = None
        self._in_row = 0
        # Two half windows of (answers, failures), so that old ones fade without a list.
        self._window = (0, 0)
        self._seen = (0.0, 0, 0)

    def state(self, now_s: float) -> State:
        """Say what may be sent now."""
        if self._until_s is None:
            return State.CLOSED
        return State.OPEN if now_s < self._until_s else State.HALF_OPEN

    def may_ask(self, now_s: float) -> bool:
        """Say whether a request may go there. Changes nothing: ``asked`` takes the trial."""
        if self._until_s is None:
            return True
        if now_s < self._until_s:
            return False
        return self._trial_until_s is None or now_s >= self._trial_until_s

    def asked(self, now_s: float) -> None:
        """Note that a request went there; in the half-open state it is the trial."""
        if self._until_s is not None:
            self._trial_until_s = now_s + self._config.trial_s

    def succeeded(self, now_s: float) -> None:
        """Note a good answer. One that was asked for before the breaker opened proves nothing."""
        self._in_row = 0
        if self._until_s is not None:
            if self._trial_until_s is not None:
                self._close()
        elif self._seen[2] or self._window[1]:
            # Successes are counted only while failures are remembered: the hot path is this.
            self._count(now_s, failed=False)

    def failed(self, now_s: float) -> None:
        """Note a failure."""
        if self._until_s is not None:
            if self._trial_until_s is not None:
                self._open(now_s, min(2 * self._open_s, self._config.open_max_s))
            return
        self._in_row += 1
        answers, failures = self._count(now_s, failed=True)
        config = self._config
        often = answers >= config.window_min and failures >= config.window_share * answers
        if often or self._in_row >= config.failures_in_row:
            self._open(now_s, config.open_s)

    def given_up(self) -> None:
        """Note that the trial ended without a verdict (its caller left): the next may try."""
        self._trial_until_s = None

    def _open(self, now_s: float, open_s: float) -> None:
        self._open_s = open_s
        self._until_s = now_s + open_s
        self._trial_until_s = None

    def _close(self) -> None:
        self._until_s = self._trial_until_s = None
        self._open_s = self._config.open_s
        self._window = (0, 0)
        self._seen = (0.0, 0, 0)

    def _count(self, now_s: float, *, failed: bool) -> tuple[int, int]:
        since_s, answers, failures = self._seen
        half_s = self._config.window_s / 2
        if now_s - since_s >= half_s:
            recent = now_s - since_s < 2 * half_s
            self._window = (answers, failures) if recent else (0, 0)
            since_s, answers, failures = now_s, 0, 0
        answers += 1
        failures += failed
        self._seen = (since_s, answers, failures)
        return answers + self._window[0], failures + self._window[1]
