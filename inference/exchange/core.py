"""One request, from its head to its end.

An edge makes an ``Exchange`` when a request's head is complete and pushes into it what the
caller does: ``body``, ``body_end``, ``left``, ``pause``, ``resume``. Nothing waits: what has
to be looked up or decided elsewhere calls back. Every state knows what it waits for and for
how long; the wheel calls ``on_due`` when that is over. Once a worker may be asked, a
``Relay`` takes over and comes back for the end.
"""

from __future__ import annotations

from enum import IntEnum

from inference import gate
from inference.address import Target, read_target
from inference.exchange.look_up import LookUp, Passed
from inference.exchange.models import models_answer
from inference.exchange.prepare import prepare
from inference.exchange.relay import CALLER_GONE, Relay
from inference.fields import SINGLE, UP, Names, rate_fields, sane_id
from inference.ids import request_id
from inference.outcome import Outcome
from inference.plane import Plane
from inference.ports import Ask, Caller, Headers, Verdict
from inference.problems import Refused


class State(IntEnum):
    """What an exchange waits for."""

    READING = 0  # the gate's tables, the caller's body, or both
    DECIDING = 1  # the limiter
    RELAYING = 2  # the worker
    DONE = 3


class Exchange:
    """A request under way. See the module."""

    __slots__ = (
        "_chunks",
        "_complete",
        "_headers",
        "_is_admitted",
        "_passed",
        "_relay",
        "_size",
        "_target",
        "caller",
        "due",
        "names",
        "outcome",
        "plane",
        "state",
    )

    def __init__(self, plane: Plane, caller: Caller) -> None:
        self.plane = plane
        self.caller = caller
        self.state = State.READING
        self.due = 0.0
        self._chunks: list[bytes] = []
        self._size = 0
        self._complete = False
        self._is_admitted = False
        self._passed: Passed | None = None
        self._relay: Relay | None = None
        self._headers: Headers
        self._target: Target
        self.names: Names
        self.outcome: Outcome

    # ── What the edge says ─────────────────────────────────────────────────────────────

    def begin(self, method: bytes, target: bytes, headers: Headers) -> None:
        """Take the head of a request; field names are in lower case."""
        plane = self.plane
        plane.running.add(self)
        now = plane.loop.time()
        self._headers = headers
        fields = dict(headers)
        self.names = Names(request_id(plane.clock()), sane_id(fields.get(b"x-request-id", b"")))
        self.outcome = Outcome(self.names, began_at=now)
        self.due = now + plane.config.waits.body_idle_s
        plane.wheel.arm(self)
        try:
            self._check_head(method, target, fields)
            LookUp(plane, self._target, fields, self._on_passed, self.refuse).begin(
                self.caller.address
            )
        except Refused as refusal:
            self.refuse(refusal)

    def body(self, data: bytes) -> None:
        """Take a piece of the request body."""
        if self.state is not State.READING:
            return
        self._size += len(data)
        self._chunks.append(data)
        waits = self.plane.config.waits
        idle_at = self.plane.loop.time() + waits.body_idle_s
        self.due = min(idle_at, self.outcome.began_at + waits.body_whole_s)
        if self._size > self.plane.config.bounds.body_bytes:
            self.refuse(self._too_large())

    def body_end(self) -> None:
        """Learn that the request body is complete."""
        if self.state is State.READING:
            self._complete = True
            self.wait_until(self.plane.loop.time() + self.plane.config.waits.decision_s)
            self._go_on()

    def left(self) -> None:
        """Learn that the caller has gone."""
        if self._relay is not None:
            self._relay.left()
        elif self.state is not State.DONE:
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
        if self._relay is not None:
            self._relay.stop()
        elif self.state is not State.DONE:
            self.refuse(Refused("service_unavailable", "The gateway is stopping."))

    def wait_until(self, moment: float) -> None:
        """Wait for something else from now on, until then."""
        is_sooner = moment < self.due
        self.due = moment
        if is_sooner:
            self.plane.wheel.arm(self)

    def on_due(self, now: float) -> None:
        """Answer for the wait that lasted too long."""
        if self._relay is not None:
            self._relay.on_due(now)
        elif self.state is State.READING and not self._complete:
            self.refuse(Refused("request_timeout", "The request body did not arrive in time."))
        else:
            self.refuse(Refused("service_unavailable", "The gateway could not decide in time."))

    # ── The gate ───────────────────────────────────────────────────────────────────────

    def _check_head(self, method: bytes, raw_target: bytes, fields: dict[bytes, bytes]) -> None:
        if self.plane.draining:
            raise Refused("service_unavailable", "The gateway is stopping; please try again.")
        self._target = target = read_target(raw_target)
        self.outcome.project, self.outcome.endpoint = target.project, target.slug
        self.outcome.operation = target.rest
        gate.read_method(target, method)
        if len(fields) != len(self._headers):
            names = [name for name, _ in self._headers]
            if any(names.count(name) > 1 for name in SINGLE):
                raise Refused("invalid_request", "A header field was sent twice.")
        length = fields.get(b"content-length", b"0")
        if length.isdigit() and int(length) > self.plane.config.bounds.body_bytes:
            raise self._too_large()

    def _too_large(self) -> Refused:
        limit = self.plane.config.bounds.body_bytes
        return Refused("request_too_large", f"The body is larger than {limit} bytes.")

    def _on_passed(self, passed: Passed) -> None:
        if self.state is not State.READING:
            return
        self._passed = passed
        outcome, grant = self.outcome, passed.grant
        outcome.route, outcome.key_id = passed.route, grant.key_id
        outcome.secret_id = grant.secret_id
        self._go_on()

    # ── Admission ──────────────────────────────────────────────────────────────────────

    def _go_on(self) -> None:
        if self._passed is None or not self._complete:
            return
        try:
            if self._passed.pools:
                self._admit(self._passed)
            else:
                self._answer_models(self._passed)
        except Refused as refusal:
            self.refuse(refusal)

    def _answer_models(self, passed: Passed) -> None:
        body = models_answer(passed.route, self._target.rest)
        self.conclude(200, "", "complete")
        self._send(200, [(b"content-type", b"application/json")], body)

    def _admit(self, passed: Passed) -> None:
        chunks, self._chunks = self._chunks, []
        body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        made = prepare(body, self._target.rest, passed.route)
        self.outcome.streamed, self.outcome.prompt_bytes = made.streaming, made.prompt_bytes
        self.state = State.DECIDING
        ask = Ask(
            request_id=self.names.request_id,
            grant=passed.grant,
            route=passed.route,
            prompt_tokens=made.prompt_tokens,
            limit_tokens=made.limit,
            n=made.n,
            streaming=made.streaming,
            now=self.plane.clock(),
        )

        def on_verdict(verdict: Verdict) -> None:
            if not verdict.allowed:
                self._on_refusal(verdict)
            elif self.state is State.DONE:
                # The caller left while it was decided: what was held has to be released.
                self.plane.limiter.settle(self.outcome.event())
            else:
                self._is_admitted = True
                self._relay = Relay(self, passed, made, verdict)
                self._start(self._relay)

        self.plane.limiter.admit(ask, on_verdict)

    def _on_refusal(self, verdict: Verdict) -> None:
        if self.state is not State.DONE:
            wait_s = verdict.retry_after_s
            refusal = Refused(verdict.code, verdict.message, retry_after_s=wait_s)
            self.refuse(refusal, rate_fields(verdict.limits))

    def _start(self, relay: Relay) -> None:
        self.state = State.RELAYING
        up = [field for field in self._headers if field[0] in UP]
        up.append((b"x-request-id", self.names.request_id.encode()))
        relay.begin("/" + self._target.rest, up)

    # ── Endings ────────────────────────────────────────────────────────────────────────

    def conclude(self, status: int, code: str, ending: str) -> None:
        """Book the end: settle, report, and take no more part. Comes before the last byte.

        Once, and from then on nothing but sending what is decided may follow.
        """
        plane, outcome = self.plane, self.outcome
        self.state, self._relay = State.DONE, None
        plane.wheel.disarm(self)
        outcome.close(status, code, ending, plane.loop.time())
        if self._is_admitted:
            plane.limiter.settle(outcome.event())
        plane.reporter.ended(outcome)
        plane.running.discard(self)

    def refuse(
        self, refusal: Refused, extra: Headers | None = None, ending: str = "refused"
    ) -> None:
        """Answer with an error; nothing of an answer may have been sent."""
        if self.state is State.DONE:
            return
        self.conclude(refusal.status, refusal.code, ending)
        self._send(refusal.status, [*refusal.headers(), *(extra or [])], refusal.body())

    def _send(self, status: int, fields: Headers, body: bytes) -> None:
        length = (b"content-length", b"%d" % len(body))
        self.caller.start(status, [*self.names.fields(), *fields, length])
        self.caller.write(body)
        self.caller.finish()
