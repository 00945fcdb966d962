"""The exchange: one request and its answer, from its head to its end.

An edge makes an ``Exchange`` when a request's head is complete and pushes into it what the
caller does: ``body``, ``body_end``, ``left``, ``pause``, ``resume``. Nothing waits: what has
to be looked up or decided elsewhere calls back. Every state knows what it waits for and for
how long; the wheel calls ``on_due`` when that is over. Once a worker may be asked, a
``Relay`` takes over and comes back for the end.
"""

from __future__ import annotations

from inference.admission.ports import Ask, Verdict
from inference.body.body import Body
from inference.body.model_list import models_answer
from inference.body.prepare import Prepared, glance, prepare_carefully
from inference.exchange.answer_head import refusal_lines
from inference.exchange.caller import Caller
from inference.exchange.head_start import HeadStart
from inference.exchange.plane import Plane
from inference.exchange.relay import CALLER_GONE, Relay
from inference.exchange.request import (
    DECIDING,
    DONE,
    READING,
    RELAYING,
    SHUT_OUT,
    ArrivingRequest,
    too_large,
)
from inference.exchange.slow_readings import DEAR_BYTES
from inference.gate.passed import Passed
from inference.http.fields import lines_of
from inference.http.lines import Lines
from inference.http.problems import Refused


class Exchange(ArrivingRequest):
    """A request under way. See the module."""

    __slots__ = (
        "_body",
        "_early",
        "_fault",
        "_is_admitted",
        "_is_holding",
        "_is_slicing",
        "_prepared",
        "_relay",
    )

    def __init__(self, plane: Plane, caller: Caller) -> None:
        super().__init__(plane, caller)
        plane.running.add(self)
        self._body = Body()
        self._is_holding = False
        self._is_slicing = False
        self._is_admitted = False
        self._fault: Refused | None = None
        """What is wrong with its body, of which it is told once it was counted."""
        self._early: HeadStart | None = None
        self._relay: Relay | None = None
        self._prepared: Prepared

    # ── What the edge says ─────────────────────────────────────────────────────────────

    def body(self, data: bytes) -> None:
        """Take a piece of the request body."""
        if self.state in (DONE, SHUT_OUT):
            return
        body, bounds, waits = self._body, self.plane.config.bounds, self.plane.config.waits
        body.take(data)
        idle_at = self.plane.now() + waits.body_idle_s
        self.due = min(idle_at, self.outcome.began_at + waits.body_whole_s)
        if body.size > bounds.body_bytes:
            self.fail(too_large(self.plane))
        elif body.is_passing:
            self._go_on_sending()
        elif body.size > bounds.whole_body_bytes:
            self.caller.pause_body()
            self._go_on()

    def body_end(self) -> None:
        """Learn that the request body is complete."""
        if self.state in (DONE, SHUT_OUT):
            return
        self._body.is_complete = True
        if self._body.is_passing:
            self._go_on_sending()
        else:
            self.wait_until(self.plane.now() + self.plane.config.waits.decision_s)
            self._go_on()

    def left(self) -> None:
        """Learn that the caller has gone."""
        if self._relay is not None:
            self._relay.left()
        elif self.state != DONE:
            self.conclude(CALLER_GONE, "", "caller_left")

    def pause(self) -> None:
        """Learn that the caller reads slowly."""
        if self._relay is not None:
            self._relay.pause()

    def resume(self) -> None:
        """Learn that the caller has caught up."""
        if self._relay is not None:
            self._relay.resume()

    def stop(self) -> None:
        """End it now, because the process stops."""
        self.fail(Refused("service_unavailable", "The gateway is stopping."))

    def on_due(self, now: float) -> None:
        """Answer for the wait that lasted too long."""
        if self.state == SHUT_OUT and self._known is not None:
            self._on_refusal(self._known)
            return
        is_uploading = not self._body.is_complete and not self._is_holding
        if is_uploading and self.state in (READING, RELAYING):
            self.fail(Refused("request_timeout", "The request body did not arrive in time."))
        elif self._relay is not None:
            self._relay.on_due(now)
        else:
            self.refuse(Refused("service_unavailable", "The gateway could not decide in time."))

    # ── Admission ──────────────────────────────────────────────────────────────────────

    def _go_on(self) -> None:
        passed, body = self._passed, self._body
        is_large = body.size > self.plane.config.bounds.whole_body_bytes
        if passed is None or self.state != READING:
            return
        if passed.pools and self._is_shut_out(passed):
            return
        if not body.is_complete and not is_large:
            return
        try:
            if passed.pools:
                self._read(passed)
            else:
                self._answer_models(passed)
        except Refused as fault:
            self._admit_faulty(passed, fault)

    def _read(self, passed: Passed) -> None:
        """Read the body, or begin to pass it on. Raises ``Refused``.

        One that is dear to read waits for its turn.
        """
        body, operation = self._body, self._head.target.rest
        if not body.is_complete:
            self._admit(passed, body.begin_passing(operation, self._head.announced))
            return
        whole = body.whole()
        prepared = glance(whole, operation, passed.route)
        if prepared is None and body.size > DEAR_BYTES:
            self.plane.slow_readings.add(lambda: self._on_turn(passed, whole))
        else:
            self._admit(passed, prepared or prepare_carefully(whole, operation, passed.route))

    def _on_turn(self, passed: Passed, whole: bytes) -> None:
        # Meanwhile its caller may have left, or others with the same key used up what it may.
        if self.state != READING or self._is_shut_out(passed):
            return
        try:
            prepared = prepare_carefully(whole, self._head.target.rest, passed.route)
        except Refused as fault:
            self._admit_faulty(passed, fault)
        else:
            self._admit(passed, prepared)

    def _admit_faulty(self, passed: Passed, fault: Refused) -> None:
        # It counts as if it were good, or nonsense would be cheaper than sense.
        self._fault = fault
        self._admit(passed, Prepared(None, 0, streaming=False, n=1, limit=0))

    def _answer_models(self, passed: Passed) -> None:
        body = models_answer(passed.route, self._head.target.rest)
        self._answer(200, b"content-type: application/json\r\n", body)

    def _admit(self, passed: Passed, prepared: Prepared) -> None:
        self._prepared = prepared
        self.outcome.streamed, self.outcome.prompt_bytes = prepared.streaming, prepared.prompt_bytes
        self.state = DECIDING
        ask = Ask(
            request_id=self.names.request_id,
            grant=passed.grant,
            route=passed.route,
            prompt_tokens=prepared.prompt_tokens,
            limit_tokens=prepared.limit,
            n=prepared.n,
            streaming=prepared.streaming,
            now=self.plane.clock(),
            operation=self._head.target.rest,
            is_open=self._body.is_passing,
        )
        is_likely = self.plane.limiter.admit(ask, self._on_verdict)
        if is_likely and prepared.body is not None and self.state == DECIDING:
            self._start_early(passed, prepared)

    def _start_early(self, passed: Passed, prepared: Prepared) -> None:
        choice = self.plane.router.choose(passed.pools, (), passed.route.project)
        if choice is not None:
            path, lines = self._head.target.path, self._lines()
            body = prepared.body_for(choice.worker) or b""
            self._early = HeadStart(self.plane, choice, path, lines, body)

    def _on_verdict(self, verdict: Verdict) -> None:
        if not verdict.allowed:
            self._on_refusal(verdict)
        elif self.state == DONE:
            # The caller left while it was decided: what was held has to be released.
            self.plane.limiter.settle(self.outcome.event())
        elif self._fault is not None:
            self._is_admitted = True
            self.refuse(self._fault)
        elif self._passed is not None:
            self._is_admitted = True
            self._relay = Relay(self, self._passed, self._prepared, verdict)
            self._start(self._relay)

    def _on_refusal(self, verdict: Verdict) -> None:
        if self.state != DONE:
            wait_s = verdict.retry_after_s
            refusal = Refused(verdict.code, verdict.message, retry_after_s=wait_s)
            self.refuse(refusal, refusal_lines(self.names, "", verdict.limits))

    def _start(self, relay: Relay) -> None:
        self.state = RELAYING
        early, self._early = self._early, None
        relay.begin(self._head.target.path, self._lines(), early)
        if self._body.is_passing and self.state == RELAYING:
            self._body.serve_as(relay.served_name)
            self._send_up()

    def _lines(self) -> Lines:
        return b"".join((self._head.up, b"x-request-id: ", self.names.raw, b"\r\n"))

    def _go_on_sending(self) -> None:
        if not self._is_slicing:
            self._send_up()

    def _send_up(self) -> None:
        """Send up what has come, for a moment. Others have their turns before the rest."""
        relay, prepared = self._relay, self._prepared
        self._is_slicing = False
        if relay is None:
            return  # It is still being decided, and the pieces wait; or it is over.
        try:
            is_fast = relay.send(self._body.pass_on(prepared, self.plane.now))
        except Refused as refusal:
            self.fail(refusal)
            return
        body = self._body
        if body.is_behind:
            self._is_slicing = True
            self.plane.wheel.soon(self._send_up)
        if body.is_complete:
            self.outcome.streamed, self.outcome.prompt_bytes = (
                prepared.streaming,
                prepared.prompt_bytes,
            )
            self.resume_body()  # Its caller may leave now, or ask for the next thing.
        elif is_fast and not body.is_far_behind:
            self.resume_body()
        else:
            self._is_holding = not is_fast
            self.caller.pause_body()
        self.go_on_holding()

    def go_on_holding(self) -> None:
        """Hold what the upload has grown to. The worker learns of its end only when it is held."""
        relay, body = self._relay, self._body
        if relay is None or not body.is_passing or body.is_sent:
            return
        is_held = relay.is_covered(body.tokens(self._prepared, relay.passed.route))
        if is_held and body.is_through and self._relay is relay:  # A refusal has ended it.
            body.is_sent = True
            relay.end_body()

    def resume_body(self) -> None:
        """Let the caller send on: the worker has room."""
        self._is_holding = False
        self.caller.resume_body()

    # ── Endings ────────────────────────────────────────────────────────────────────────

    def conclude(self, status: int, code: str, ending: str) -> None:
        """Book the end: settle, report, and take no more part. Comes before the last byte.

        Once, and from then on nothing but sending what is decided may follow.
        """
        plane, outcome = self.plane, self.outcome
        self.state, self._relay = DONE, None
        if self._early is not None:
            self._early.take_back()
            self._early = None
        plane.wheel.disarm(self)
        outcome.close(status, code, ending, plane.now())
        if self._is_admitted:
            plane.limiter.settle(outcome.event())
        plane.reporter.ended(outcome)
        plane.running.discard(self)

    def fail(self, refusal: Refused) -> None:
        """End it with an error, in whatever form it can still take."""
        if self._relay is not None:
            self._relay.end(refusal)
        else:
            self.refuse(refusal)

    def refuse(self, refusal: Refused, extra: Lines = b"", ending: str = "refused") -> None:
        """Answer with an error; nothing of an answer may have been sent."""
        if self.state == DONE:
            return
        self.conclude(refusal.status, refusal.code, ending)
        if not self._is_admitted:
            self.plane.reporter.refused(self.outcome, refusal)
        self._send(refusal.status, lines_of(refusal.headers()) + extra, refusal.body())
