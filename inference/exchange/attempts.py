"""Attempts (retries, failover) at one request: which worker is asked, how often, what came of it.

Another is turned to only while nothing of an answer was sent.
"""

from __future__ import annotations

from inference.admission.ports import RateLimits
from inference.body.prepare import Prepared
from inference.exchange.answer_head import refusal_lines
from inference.exchange.demands import demand_of
from inference.exchange.erring import (
    FAILED,
    FULL,
    NO_RETRY,
    PASSED,
    READ_S,
    Erring,
    kind_of,
    refusal_of,
)
from inference.exchange.head_start import HeadStart
from inference.exchange.request import Request
from inference.exchange.worker_call import WorkerCall
from inference.fleet.ports import Answer, WorkerFailed
from inference.gate import rules
from inference.gate.passed import Passed
from inference.http.lines import Lines
from inference.http.problems import Refused
from inference.routing.choice import Choice

FAILOVERS = 2
ERRORS_MAX = 2
"""A request that fails on two workers, which both say so, is at fault itself."""

ENDINGS = {
    "upstream_timeout": "timeout",
    "upstream_disconnected": "worker_broke",
    "upstream_error": "worker_broke",
    "capacity_exceeded": "worker_broke",
}
"""Public code of a broken answer → ending in the usage event; others are ``refused``."""


class Attempts:
    """See the module. It knows who takes the answer.

    ``call``: to the worker that is asked; ``choice``: which one that is, and it is told how that
    goes; ``served_name``: what that worker calls the model, if it minds.
    """

    __slots__ = (
        "_answer",
        "_erring",
        "_error",
        "_errors",
        "_is_full",
        "_limits",
        "_lines",
        "_passed",
        "_prepared",
        "_request",
        "_tried",
        "call",
        "choice",
        "served_name",
    )

    def __init__(
        self,
        request: Request,
        passed: Passed,
        prepared: Prepared,
        limits: RateLimits | None,
        answer: Answer,
    ) -> None:
        self._request = request
        self._passed = passed
        self._prepared = prepared
        self._limits = limits
        self._answer: Answer | None = answer
        """Who takes what a worker answers; none once it is over."""
        self._tried: list[str] = []
        self.choice: Choice
        self.call = WorkerCall()
        self._erring: Erring | None = None
        """Who hears what the worker says now, if that is an error."""
        self._error: Refused | None = None
        """What the last worker that answered with an error said."""
        self._errors = 0
        self._is_full = False
        self._lines: Lines = b""
        self.served_name = ""

    # ── Asking ─────────────────────────────────────────────────────────────────────────

    def begin(self, early: HeadStart | None) -> None:
        """Ask the first worker, unless it was asked. From now on the tier's time runs."""
        self._lines = self._request.lines_up()
        if self._prepared.body is not None:
            self._wait_for_answer()
        answer = self._answer
        if early is None or answer is None:
            self.ask()
            return
        self._try_with(early.choice)
        self.call.begin(early.call)
        for again in early.hand_over(answer):
            if self._request.is_over or len(self._tried) > 1:
                break  # It was of no use, and another is asked, or nobody is.
            again(self._erring or answer)

    def _wait_for_answer(self) -> None:
        """Give the worker the tier's time, from when the request was complete at the latest."""
        request = self._request
        limit_s = self._passed.route.terms.request_timeout_s
        is_whole = self._prepared.body is not None
        start = request.outcome.began_at if is_whole else request.plane.now()
        request.wait_until(start + limit_s)

    def ask(self) -> None:
        """Ask a worker that was not asked yet, or give up."""
        plane, tried, passed = self._request.plane, self._tried, self._passed
        # What has gone up in pieces was not kept, so nobody else can be asked.
        most = FAILOVERS if self._prepared.body is not None else 0
        choice: Choice | None = None
        if len(tried) <= most:
            demand = demand_of(self._request, passed, self._prepared)
            choice = plane.router.choose(passed.pools, tried, demand)
        if choice is None or self._answer is None:
            self._give_up()
            return
        self._try_with(choice)
        worker, path = choice.worker, self._request.head.target.path
        self.served_name, body = worker.served_name, self._prepared.body_for(worker)
        self.call.begin(plane.fleet.ask(worker, path, self._lines, body, self._answer))

    def _try_with(self, choice: Choice) -> None:
        if self._tried:
            self.choice.drop()  # Unless it was told how it went.
        self.choice = choice
        outcome, worker_id = self._request.outcome, choice.worker.worker_id
        outcome.worker_id, outcome.decision = worker_id, choice.decision
        self._tried.append(worker_id)

    # ── What came of it ────────────────────────────────────────────────────────────────

    def takes(self, status: int, has_wait: bool) -> bool:
        """Say whether an error is ours to answer, and begin to. Else the caller is to read it.

        ``has_wait``: it says when to come back.
        """
        kind = kind_of(status, has_wait=has_wait)
        if kind == FULL:
            self._is_full = True
            self.hang_up()
            self.ask()
        elif kind != PASSED:
            self._hear_out(kind, status)
        return kind != PASSED

    def _hear_out(self, kind: str, status: int) -> None:
        """Hear what the worker says of it, and turn to another. It is held against nobody."""
        request = self._request
        self.choice.answered_error(status)
        self._errors += kind == FAILED

        def on_words(said: bytes) -> None:
            self._error = refusal_of(kind, status, said)
            self._turn_on()

        self._erring = erring = Erring(on_words)
        self.call.tell(erring)
        if self._prepared.body is not None:
            request.wait_until(min(request.due, request.plane.now() + READ_S))

    def stop_hearing(self) -> bool:
        """Wait no longer for the words of an error; false if none are waited for."""
        erring = self._erring
        if erring is not None:
            erring.finish()
        return erring is not None

    def on_no_answer(self, status: int, words: str) -> None:
        """Turn to another worker: what this one sent is no answer. It is held against nobody."""
        self.choice.answered_error(status)
        said = f"The engine answered {status}, but gave no answer"
        self._error = Refused("upstream_error", f"{said}: {words}" if words else f"{said}.")
        self._errors += 1
        self._turn_on()

    def note_failure(self, failure: WorkerFailed) -> None:
        """Hold it against the worker, unless that has only said that it has no room."""
        if failure.is_declined:
            self._is_full = True
        else:
            self.choice.failed()

    def _turn_on(self) -> None:
        """Turn from a worker that answered with an error to another, if that may help."""
        self.hang_up()
        if self._prepared.body is not None:
            self._wait_for_answer()
        if self._errors < ERRORS_MAX:
            self.ask()
        else:
            self._give_up()

    def _give_up(self) -> None:
        if self._error is not None and not self._is_full:
            self.refuse(self._error, NO_RETRY if self._errors >= ERRORS_MAX else b"")
            return
        if self._is_full:
            code, message = "capacity_exceeded", "Every worker of this endpoint is full."
        elif self._tried:
            code, message = "upstream_error", "The worker failed before it answered."
        else:
            code, message = "endpoint_inactive", rules.nobody(self._passed.route)
        self.refuse(Refused(code, message))

    def refuse(self, refusal: Refused, extra: Lines = b"") -> None:
        """Hang up and answer with an error, which says who was asked."""
        request = self._request
        self.hang_up()
        extra += refusal_lines(request.names, request.outcome.worker_id, self._limits)
        request.refuse(refusal, extra, ENDINGS.get(refusal.code, "refused"))

    # ── The end ────────────────────────────────────────────────────────────────────────

    def end_body(self) -> None:
        """Say that the request body is complete. From now on the tier's time runs."""
        self.call.end()
        self._wait_for_answer()

    def hang_up(self) -> None:
        """Close the connection to the worker, if its answer is not over."""
        self._erring = None
        self.call.hang_up()

    def conclude(self) -> None:
        """Say to the last choice what came of it, and forget who took the answer."""
        self._answer = None  # Each holds the other.
        if self._tried:
            self.choice.conclude(self._request.outcome)
