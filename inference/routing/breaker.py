"""When to doubt a worker, and for how long: pure, time is passed in.

Only what is the worker's own counts as a failure: no connection, a reset, an answer broken
off, nonsense. What it *answers* never does, whatever the status, nor does a limit of the one
who asked: a tenant's requests would decide what becomes of another's (docs/adr/0020).

A doubted worker is passed over while another can be asked, and asked all the same where it is
the only one. Whether it is there at all is for probes to say (``probe``), not for requests.

The numbers: five failures in a row, or half of at least twenty answers within ten seconds (a
worker that fails every other request never fails five in a row for long). A doubt lasts for
five seconds, however often it was had before. Then a worker is *on trial* until it answers, ten
seconds at most (half open): it gets small requests, of which somebody else can take over.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BreakerConfig:
    """When to doubt and for how long."""

    failures_in_row: int = 5
    window_s: float = 10.0
    window_min: int = 20
    window_share: float = 0.5
    doubt_s: float = 5.0
    trial_s: float = 10.0


class Breaker:
    """What is held against one worker. ``now_s`` is a monotonic clock and never goes back."""

    __slots__ = ("_config", "_in_row", "_seen", "_trial_until_s", "_until_s", "_window")

    def __init__(self, config: BreakerConfig | None = None) -> None:
        self._config = config or BreakerConfig()
        self._until_s = self._trial_until_s = 0.0
        self._in_row = 0
        # Two half windows of (answers, failures), so that old ones fade without a list.
        self._window = (0, 0)
        self._seen = (0.0, 0, 0)

    def is_doubted(self, now_s: float) -> bool:
        """Say whether another worker should be asked instead, if there is one."""
        return now_s < self._until_s

    def is_on_trial(self, now_s: float) -> bool:
        """Say whether it was doubted until a moment ago, and has not answered since."""
        return self._until_s <= now_s < self._trial_until_s

    def succeeded(self, now_s: float) -> None:
        """Note an answer, whatever it said."""
        self._in_row = 0
        if now_s >= self._until_s:
            self._trial_until_s = 0.0
        if self._seen[2] or self._window[1]:
            # Successes are counted only while failures are remembered: the hot path is this.
            self._count(now_s, failed=False)

    def failed(self, now_s: float) -> None:
        """Note a failure. Those of requests that were under way when a doubt began add nothing."""
        if self.is_doubted(now_s):
            return
        self._in_row += 1
        answers, failures = self._count(now_s, failed=True)
        config = self._config
        often = answers >= config.window_min and failures >= config.window_share * answers
        if often or self._in_row >= config.failures_in_row:
            self._until_s = now_s + config.doubt_s
            self._trial_until_s = self._until_s + config.trial_s
            self._in_row = 0
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
