"""A choice lives as long as an attempt: whoever tries a worker says here how that went.

What tenants ask for, and how long they wait, is held against no worker: only ``failed`` is.
Only whole answers teach how fast it is.
"""

from __future__ import annotations

from typing import Final

from inference.body.claims import MEASURED
from inference.contracts.decisions import Decision
from inference.contracts.entries import Worker
from inference.routing.came import Came
from inference.routing.health import Breakers
from inference.routing.placed import Placed
from inference.routing.weigh import Scales, Weighed
from inference.telemetry.outcome import COMPLETE, Outcome

BROKE: Final = "worker_broke"
ERROR: Final = "refused"
DROPPED: Final = "dropped"
"""How an attempt ends that its request outlives; else as the request does."""


class Choice:
    """A worker that was chosen for a request, and why. It is told what becomes of the attempt.

    ``weighed``: what it was chosen from; none where two were drawn at random.
    """

    __slots__ = ("_health", "_placed", "_project", "_scales", "decision", "weighed", "worker")

    def __init__(self, worker: Worker, decision: Decision, project: str, health: Breakers) -> None:
        self.worker = worker
        self.decision = decision
        self.weighed: Weighed | None = None
        self._project = project
        self._health = health
        self._scales: Scales | None = None
        self._placed: Placed | None = None

    def count(self, scales: Scales, weighed: Weighed) -> None:
        """Count it in what is known of its worker, until it is over."""
        self.weighed = weighed
        self._scales = scales
        self._placed = scales.place(weighed)

    # ── What is believed of the worker ─────────────────────────────────────────────────

    def began(self) -> None:
        """Learn that the worker began to answer."""
        self._health.succeeded(self.worker.worker_id)

    def answered_error(self, status: int) -> None:
        """Learn that it answered with an error that the caller is not to read as it is."""
        self._health.answered_error(self.worker.worker_id, self._project, status)
        self._end(ERROR)

    def failed(self) -> None:
        """Learn that it failed through its own fault: it did not answer, or broke off."""
        self._health.failed(self.worker.worker_id)
        self._end(BROKE)

    def was_late(self) -> None:
        """Learn that its answer took longer than the one who asked may wait."""
        self._health.was_late(self.worker.worker_id, self._project)

    # ── How fast it is ─────────────────────────────────────────────────────────────────

    def first_token(self, *, is_stream: bool) -> None:
        """Learn that the first of an answer came. Of a document that is no first token."""
        placed, scales = self._placed, self._scales
        if placed is not None and scales is not None:
            scales.state.answered(scales.now_us(), placed, teaches=is_stream)

    def conclude(self, outcome: Outcome) -> None:
        """Learn how the request ended: what its engine counted teaches, if the answer is whole."""
        is_counted = outcome.ending == COMPLETE and outcome.source == MEASURED
        self._end(outcome.ending, outcome if is_counted else None)

    def drop(self) -> None:
        """Learn that nothing more comes of it, which says nothing of the worker."""
        self._end(DROPPED)

    def _end(self, ending: str, outcome: Outcome | None = None) -> None:
        """Count it no more, and tell of it; once."""
        placed, self._placed = self._placed, None
        scales, weighed = self._scales, self.weighed
        if placed is None or scales is None or weighed is None:
            return
        now_us, state = scales.now_us(), scales.state
        came = Came(placed, now_us, ending)
        if outcome is not None:
            tokens = outcome.tokens
            came.count(tokens, is_stream=outcome.streamed)
            state.counted(placed, tokens.tokens_in, tokens.tokens_cached)
            state.ended(now_us, placed, tokens.tokens_out if outcome.streamed else 0)
        elif ending == BROKE:
            state.failed(now_us, placed)
        else:
            state.taken_back(placed)
        scales.note(weighed, came)
