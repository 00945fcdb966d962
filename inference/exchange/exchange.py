"""The exchange: one request and its answer, from its head to its end.

An edge makes an ``Exchange`` when a request's head is complete and pushes into it what the
caller does: ``body``, ``body_end``, ``left``, ``pause``, ``resume``. Nothing waits: what has
to be looked up or decided elsewhere calls back. Every state knows what it waits for and for
how long; the wheel calls ``on_due`` when that is over.

It is made of parts, and only says whose turn it is: ``GateCheck`` finds out who asks, ``Upload``
has the body, ``Admission`` the limiter's verdict; then ``Relay`` has the answer, and ``Patience``
watches over both sides of it.
"""

from __future__ import annotations

from inference.admission.ports import Verdict
from inference.body.model_list import models_answer
from inference.body.prepare import Prepared
from inference.exchange.admission import Admission
from inference.exchange.answer_head import own_head
from inference.exchange.caller import Caller
from inference.exchange.gate_check import GateCheck, check_again, stands_on
from inference.exchange.open_doors import NO_CONTENT
from inference.exchange.patience import CALLER_GONE, Patience
from inference.exchange.plane import Plane
from inference.exchange.relay import Relay
from inference.exchange.request import DONE, READING, RELAYING, SHUT_OUT, Request
from inference.exchange.upload import Upload
from inference.gate.head import Head
from inference.gate.passed import Passed
from inference.http.fields import Names, lines_of
from inference.http.ids import request_id
from inference.http.lines import Lines
from inference.http.problems import Refused
from inference.telemetry.outcome import COMPLETE, Outcome


class Exchange(Request):
    """A request under way. See the module. Its parts are gone when it is over."""

    __slots__ = ("_admission", "_patience", "_relay", "_upload")

    def __init__(self, plane: Plane, caller: Caller) -> None:
        super().__init__(plane, caller)
        plane.running.add(self)
        admission = Admission(self)
        self._admission: Admission | None = admission
        self._upload: Upload | None = Upload(self, admission)
        self._relay: Relay | None = None
        self._patience: Patience | None = None

    # ── What the edge says ─────────────────────────────────────────────────────────────

    def begin(self, head: Head) -> None:
        """Take the head of a request."""
        plane = self.plane
        now, moment = plane.now(), plane.clock()
        self.head = head
        self.names = Names(request_id(moment), head.caller_id)
        self.outcome = Outcome(self.names, began_at=now)
        self.due = now + plane.config.waits.body_idle_s
        plane.wheel.arm(self)
        try:
            GateCheck(self, moment).begin()
        except Refused as refusal:
            self.refuse(refusal)

    def body(self, data: bytes) -> None:
        """Take a piece of the request body."""
        upload = self._upload
        if upload is not None and self.state != SHUT_OUT and upload.take(data):
            self._go_on()

    def body_end(self) -> None:
        """Learn that the request body is complete."""
        upload = self._upload
        if upload is not None and self.state != SHUT_OUT:
            upload.end()
            self._go_on()

    def left(self) -> None:
        """Learn that the caller has gone."""
        if self._patience is not None:
            self._patience.left()
        elif self.state != DONE:
            self.conclude(CALLER_GONE, "", "caller_left")

    def pause(self) -> None:
        """Learn that the caller reads slowly."""
        if self._patience is not None:
            self._patience.pause()

    def resume(self) -> None:
        """Learn that the caller has caught up."""
        if self._patience is not None:
            self._patience.resume()

    # ── What those say who look after all of them ──────────────────────────────────────

    @property
    def stands_on(self) -> tuple[str, ...]:
        """Name the entries that let it in, and may be taken back."""
        return stands_on(self)

    def look_again(self, thing: object) -> None:
        """Go through the gate again by what an entry says now."""
        passed = self.passed
        if passed is None or self.state == DONE:
            return
        try:
            check_again(self, passed, thing)
        except Refused as refusal:
            self.fail(refusal)

    def stop(self) -> None:
        """End it now, because the process stops."""
        self.fail(Refused("service_unavailable", "The gateway is stopping."))

    def on_due(self, now: float) -> None:
        """Answer for the wait that lasted too long."""
        upload, admission = self._upload, self._admission
        if upload is None or admission is None:
            return
        if self.state == SHUT_OUT:
            admission.tell_again()
        elif upload.is_awaited and self.state in (READING, RELAYING):
            self.fail(Refused("request_timeout", "The request body did not arrive in time."))
        elif self._patience is not None:
            self._patience.on_due(now)
        else:
            self.refuse(Refused("service_unavailable", "The gateway could not decide in time."))

    # ── What its parts say ─────────────────────────────────────────────────────────────

    def on_passed(self, passed: Passed) -> None:
        """Learn that the gate lets it through."""
        self.passed = passed
        outcome, grant = self.outcome, passed.grant
        outcome.route, outcome.key_id = passed.route, grant.key_id
        outcome.secret_id, outcome.slo = grant.secret_id, passed.slo
        self._go_on()

    def _go_on(self) -> None:
        """Go on if the gate has passed it and enough of its body is here."""
        passed, upload, admission = self.passed, self._upload, self._admission
        if passed is None or self.state != READING or upload is None or admission is None:
            return
        if passed.pools and admission.shuts_out(passed):
            return
        if not upload.is_readable:
            return
        try:
            if passed.pools:
                upload.read(passed)
            else:
                self._answer_models(passed)
        except Refused as fault:
            admission.ask_faulty(passed, fault)

    def _answer_models(self, passed: Passed) -> None:
        body = models_answer(passed.route, self.head.target.rest)
        self.answer(200, b"content-type: application/json\r\n", body)

    def on_admitted(self, passed: Passed, prepared: Prepared, verdict: Verdict) -> None:
        """Have a worker asked."""
        upload, admission = self._upload, self._admission
        if upload is None or admission is None:
            return
        self.state = RELAYING
        relay = self._relay = Relay(self, upload, passed, prepared, verdict)
        self._patience = Patience(self, relay)
        relay.begin(admission.hand_over())

    def on_held(self) -> None:
        """Learn that more is held, or that an answer's end was decided: what waited goes on."""
        if self._relay is not None:
            self._relay.on_held()

    # ── Endings ────────────────────────────────────────────────────────────────────────

    def conclude(self, status: int, code: str, ending: str) -> None:
        """Book the end: settle, report, and take no more part. Comes before the last byte.

        Once, and from then on nothing but sending what is decided may follow.
        """
        plane, outcome, admission = self.plane, self.outcome, self._admission
        self.state = DONE
        outcome.close(status, code, ending, plane.now())
        self._let_go()
        plane.wheel.disarm(self)
        if admission is not None and admission.is_granted:
            plane.limiter.settle(outcome.event())
        plane.reporter.ended(outcome)
        plane.running.discard(self)

    def _let_go(self) -> None:
        """Let go of its parts: each holds the other, or only a search for cycles frees them."""
        if self._relay is not None:
            self._relay.attempts.conclude()
        if self._admission is not None:
            self._admission.let_go()
        self._upload = self._admission = self._relay = self._patience = None

    def fail(self, refusal: Refused) -> None:
        """End it with an error, in whatever form it can still take."""
        if self._relay is not None:
            self._relay.end(refusal)
        else:
            self.refuse(refusal)

    def refuse(self, refusal: Refused, extra: Lines = b"", ending: str = "refused") -> None:
        """Answer with an error; nothing of an answer may have been sent."""
        admission = self._admission
        if admission is None:
            return
        self.conclude(refusal.status, refusal.code, ending)
        if not admission.is_granted:
            self.plane.reporter.refused(self.outcome, refusal)
        self._send(refusal.status, lines_of(refusal.headers()) + extra, refusal.body())

    def answer(self, status: int, lines: Lines, body: bytes) -> None:
        """Answer it ourselves, and well."""
        self.conclude(status, "", COMPLETE)
        self._send(status, lines, body)

    def _send(self, status: int, lines: Lines, body: bytes) -> None:
        size = None if status == NO_CONTENT else len(body)
        self.caller.start(status, own_head(lines, self.names, size), has_length=True)
        self.caller.write(body)
        self.caller.finish()
