"""Attempts (retries, failover): choose, ask, and turn to another while nothing was sent yet."""

from __future__ import annotations

from inference.admission.ports import Verdict
from inference.body.prepare import Prepared
from inference.exchange.answer_head import refusal_lines
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
from inference.exchange.request import ArrivingRequest
from inference.fleet.ports import Answer, Call
from inference.gate import rules
from inference.gate.passed import Passed
from inference.http.lines import Lines
from inference.http.problems import Refused
from inference.router.router import Choice

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


class Attempts(Answer):
    """The first half of a relay. Its second half takes the answer."""

    __slots__ = (
        "_call",
        "_choice",
        "_erring",
        "_error",
        "_errors",
        "_exchange",
        "_is_full",
        "_lines",
        "_path",
        "_prepared",
        "_tried",
        "_verdict",
        "passed",
        "served_name",
    )

    def __init__(
        self, exchange: ArrivingRequest, passed: Passed, prepared: Prepared, verdict: Verdict
    ) -> None:
        self._exchange = exchange
        self.passed = passed
        self._prepared = prepared
        self._verdict = verdict
        self._tried: list[str] = []
        self._choice: Choice
        """Which worker it is tried with; it is told how that goes."""
        self._call: Call | None = None
        self._erring: Erring | None = None
        """Who hears what the worker says now, if that is an error."""
        self._error: Refused | None = None
        """What the last worker that answered with an error said."""
        self._errors = 0
        self._is_full = False
        self._path = ""
        self._lines: Lines = b""
        self.served_name = ""
        """What the worker that is asked calls the model, if it minds."""

    def begin(self, path: str, lines: Lines, early: HeadStart | None) -> None:
        """Ask the first worker, unless it was asked. From now on the tier's time runs."""
        self._path, self._lines = path, lines
        if self._prepared.body is not None:
            self.wait_for_answer()
        if early is None:
            self._ask()
            return
        self._try_with(early.choice)
        self._call = early.call
        for again in early.hand_over(self):
            if self._exchange.is_over or len(self._tried) > 1:
                break  # It was of no use, and another is asked, or nobody is.
            again(self._erring or self)

    def wait_for_answer(self) -> None:
        """Give the worker the tier's time, from when the request was complete at the latest."""
        exchange = self._exchange
        limit_s = self.passed.route.terms.request_timeout_s
        is_whole = self._prepared.body is not None
        start = exchange.outcome.began_at if is_whole else exchange.plane.now()
        exchange.wait_until(start + limit_s)

    def _ask(self) -> None:
        plane, tried, passed = self._exchange.plane, self._tried, self.passed
        # What has gone up in pieces was not kept, so nobody else can be asked.
        most = FAILOVERS if self._prepared.body is not None else 0
        choice: Choice | None = None
        if len(tried) <= most:
            choice = plane.router.choose(passed.pools, tried, passed.route.project)
        if choice is None:
            self._give_up()
            return
        self._try_with(choice)
        worker = choice.worker
        self.served_name, body = worker.served_name, self._prepared.body_for(worker)
        self._call = plane.fleet.ask(worker, self._path, self._lines, body, self)

    def _try_with(self, choice: Choice) -> None:
        self._choice = choice
        worker_id = self._exchange.outcome.worker_id = choice.worker.worker_id
        self._tried.append(worker_id)

    def _ask_another(self) -> None:
        self._drop_call()
        self._ask()

    def _is_ours(self, status: int, *, has_wait: bool) -> bool:
        """Say whether an error is ours to answer, and begin to. Else the caller is to read it."""
        kind = kind_of(status, has_wait=has_wait)
        if kind == FULL:
            self._is_full = True
            self._ask_another()
        elif kind != PASSED:
            self._hear_out(kind, status)
        return kind != PASSED

    def _hear_out(self, kind: str, status: int) -> None:
        """Hear what the worker says of it, and turn to another. It is held against nobody."""
        exchange = self._exchange
        self._choice.answered_error(status)
        self._errors += kind == FAILED

        def on_words(said: bytes) -> None:
            self._error = refusal_of(kind, status, said)
            self._turn_on()

        self._erring = erring = Erring(on_words)
        if self._call is not None:
            self._call.tell(erring)
        if self._prepared.body is not None:
            exchange.wait_until(min(exchange.due, exchange.plane.now() + READ_S))

    def _turn_on(self) -> None:
        """Turn from a worker that answered with an error to another, if that may help."""
        self._drop_call()
        if self._prepared.body is not None:
            self.wait_for_answer()
        if self._errors < ERRORS_MAX:
            self._ask()
        else:
            self._give_up()

    def _give_up(self) -> None:
        if self._error is not None and not self._is_full:
            self._refuse(self._error, NO_RETRY if self._errors >= ERRORS_MAX else b"")
            return
        if self._is_full:
            code, message = "capacity_exceeded", "Every worker of this endpoint is full."
        elif self._tried:
            code, message = "upstream_error", "The worker failed before it answered."
        else:
            code, message = "endpoint_inactive", rules.nobody(self.passed.route)
        self._refuse(Refused(code, message))

    def send(self, data: bytes) -> bool:
        """Send a piece of the request body; false if the worker is slow."""
        return self._call is None or not data or self._call.write(data)

    def end_body(self) -> None:
        """Say that the request body is complete. From now on the tier's time runs."""
        if self._call is not None:
            self._call.end()
        self.wait_for_answer()

    def on_drain(self) -> None:
        """Let the caller send on."""
        self._exchange.resume_body()

    def _refuse(self, refusal: Refused, extra: Lines = b"") -> None:
        exchange = self._exchange
        self._drop_call()
        worker_id = exchange.outcome.worker_id
        extra += refusal_lines(exchange.names, worker_id, self._verdict.limits)
        exchange.refuse(refusal, extra, ENDINGS.get(refusal.code, "refused"))

    def _drop_call(self) -> None:
        call, self._call, self._erring = self._call, None, None
        if call is not None:
            call.abort()
