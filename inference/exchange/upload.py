"""The body of one request (upload): taken from its caller, read, and sent up to a worker.

What is small is read whole before anyone is asked; the rest is sent up as it comes.
"""

from __future__ import annotations

from inference.body.body import Body
from inference.body.prepare import Prepared, glance, prepare_carefully
from inference.contracts.entries import Route
from inference.exchange.admission import Admission
from inference.exchange.attempts import Attempts
from inference.exchange.cover import Cover
from inference.exchange.plane import Plane
from inference.exchange.request import READING, Request
from inference.exchange.slow_readings import DEAR_BYTES
from inference.gate.passed import Passed
from inference.http.problems import Refused


class Upload:
    """See the module. ``is_held_back``: its caller waits, because the worker is slow."""

    __slots__ = (
        "_admission",
        "_attempts",
        "_body",
        "_cover",
        "_is_slicing",
        "_prepared",
        "_request",
        "_route",
        "is_held_back",
    )

    def __init__(self, request: Request, admission: Admission) -> None:
        self._request = request
        self._admission = admission
        self._body = Body()
        self._is_slicing = False
        self.is_held_back = False
        self._attempts: Attempts | None = None
        """Who is sent it, as it comes; nobody yet, or nobody if it was read whole."""
        self._cover: Cover
        self._prepared: Prepared
        self._route: Route

    # ── From the caller ────────────────────────────────────────────────────────────────

    def take(self, data: bytes) -> bool:
        """Take a piece, and say whether there is more now than is read whole."""
        request, body = self._request, self._body
        plane = request.plane
        bounds, waits = plane.config.bounds, plane.config.waits
        body.take(data)
        request.due = min(
            plane.now() + waits.body_idle_s, request.outcome.began_at + waits.body_whole_s
        )
        if body.size > bounds.body_bytes:
            request.fail(too_large(plane))
        elif body.is_passing:
            self._go_on()
        elif body.size > bounds.whole_body_bytes:
            request.caller.pause_body()
            return True
        return False

    def end(self) -> None:
        """Learn that it is complete."""
        request = self._request
        self._body.is_complete = True
        if self._body.is_passing:
            self._go_on()
        else:
            request.wait_until(request.plane.now() + request.plane.config.waits.decision_s)

    @property
    def is_awaited(self) -> bool:
        """Say whether it is its caller who has to send more of it."""
        return not self._body.is_complete and not self.is_held_back

    @property
    def is_readable(self) -> bool:
        """Say whether enough of it is here: all, or more than is read whole."""
        body = self._body
        return body.is_complete or body.size > self._request.plane.config.bounds.whole_body_bytes

    # ── Read, and let in ───────────────────────────────────────────────────────────────

    def read(self, passed: Passed) -> None:
        """Read it, or begin to pass it on, and ask for admission. Raises ``Refused``.

        One that is dear to read waits for its turn.
        """
        request, body = self._request, self._body
        operation = request.head.target.rest
        if not body.is_complete:
            self._route = passed.route
            self._prepared = body.begin_passing(operation, request.head.announced)
            self._admission.ask(passed, self._prepared, is_open=True)
            return
        whole = body.whole()
        prepared = glance(whole, operation, passed.route)
        if prepared is None and body.size > DEAR_BYTES:
            request.plane.slow_readings.add(lambda: self._on_turn(passed, whole))
        else:
            prepared = prepared or prepare_carefully(whole, operation, passed.route)
            self._admission.ask(passed, prepared)

    def _on_turn(self, passed: Passed, whole: bytes) -> None:
        request, admission = self._request, self._admission
        # Meanwhile its caller may have left, or others with the same key used up what it may.
        if request.state != READING or admission.shuts_out(passed):
            return
        try:
            prepared = prepare_carefully(whole, request.head.target.rest, passed.route)
        except Refused as fault:
            admission.ask_faulty(passed, fault)
        else:
            admission.ask(passed, prepared)

    # ── Up to the worker ───────────────────────────────────────────────────────────────

    def begin_sending(self, attempts: Attempts, cover: Cover) -> None:
        """Send it up as it comes, unless it was read whole."""
        if self._body.is_passing:
            self._attempts, self._cover = attempts, cover
            self._body.serve_as(attempts.served_name)
            self._send_up()

    def resume(self) -> None:
        """Let the caller send on: the worker has room."""
        self.is_held_back = False
        self._request.caller.resume_body()

    def _go_on(self) -> None:
        if not self._is_slicing:
            self._send_up()

    def _send_up(self) -> None:
        """Send up what has come, for a moment. Others have their turns before the rest."""
        attempts, request, body = self._attempts, self._request, self._body
        self._is_slicing = False
        if attempts is None or request.is_over:
            return  # It is still being decided, and the pieces wait; or it is over.
        try:
            is_fast = attempts.call.send(body.pass_on(self._prepared, request.plane.now))
        except Refused as refusal:
            request.fail(refusal)
            return
        if body.is_behind:
            self._is_slicing = True
            request.plane.wheel.soon(self._send_up)
        self._pace(is_fast=is_fast)
        self.go_on_holding()

    def _pace(self, *, is_fast: bool) -> None:
        """Let the caller send on, or wait."""
        body, prepared, outcome = self._body, self._prepared, self._request.outcome
        if body.is_complete:
            outcome.streamed, outcome.prompt_bytes = prepared.streaming, prepared.prompt_bytes
            self.resume()  # Its caller may leave now, or ask for the next thing.
        elif is_fast and not body.is_far_behind:
            self.resume()
        else:
            self.is_held_back = not is_fast
            self._request.caller.pause_body()

    def go_on_holding(self) -> None:
        """Hold what it has grown to. The worker learns of its end only when it is held."""
        attempts, request, body = self._attempts, self._request, self._body
        if attempts is None or request.is_over or body.is_sent:
            return
        is_held = self._cover.is_covered(body.tokens(self._prepared, self._route))
        if is_held and body.is_through and not request.is_over:  # A refusal has ended it.
            body.is_sent = True
            attempts.end_body()


def too_large(plane: Plane) -> Refused:
    """Return the refusal of a body that is too large."""
    limit = plane.config.bounds.body_bytes
    return Refused("request_too_large", f"The body is larger than {limit} bytes.")
