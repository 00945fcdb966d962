"""The request as it arrives: its head is led through the gate. First part of an exchange."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final

from inference.admission.ports import Verdict
from inference.contracts.entries import Grant, Route
from inference.contracts.events import moment_of
from inference.contracts.origins import lines_for
from inference.exchange.answer_head import own_head
from inference.exchange.caller import Caller
from inference.exchange.look_up import LookUp
from inference.exchange.open_doors import (
    NO_CONTENT,
    find_health,
    find_route,
    health_body,
    needs_key,
    options_lines,
)
from inference.exchange.plane import Plane
from inference.gate import rules
from inference.gate.address import Target
from inference.gate.head import Head
from inference.gate.passed import Passed
from inference.gate.rules import OPTIONS
from inference.http.fields import Names
from inference.http.ids import request_id
from inference.http.lines import Lines
from inference.http.problems import Refused
from inference.telemetry.outcome import Outcome

# What an exchange waits for. Plain numbers: an enum's members cost a look-up each time.
READING: Final = 0  # the gate's tables, the caller's body, or both
DECIDING: Final = 1  # the limiter
RELAYING: Final = 2  # the worker
DONE: Final = 3
SHUT_OUT: Final = 4  # nothing: it is refused, and told so in a moment

TOLD_AGAIN_S: Final = 0.1
"""How long who was told to wait, and did not, waits to be told again: reading is dear, too."""


class ArrivingRequest(ABC):
    """See the module. The rest is in ``core``."""

    __slots__ = (
        "_head",
        "_known",
        "_passed",
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
        self.state = READING
        self.due = 0.0
        self._passed: Passed | None = None
        self._known: Verdict | None = None
        """Why it is shut out."""
        self._head: Head
        self.names: Names
        self.outcome: Outcome

    def begin(self, head: Head) -> None:
        """Take the head of a request."""
        plane = self.plane
        now, moment = plane.now(), plane.clock()
        self.names = Names(request_id(moment), head.caller_id)
        self.outcome = Outcome(self.names, began_at=now)
        self.due = now + plane.config.waits.body_idle_s
        plane.wheel.arm(self)
        self._head = head
        try:
            if head.origin:
                self.names.shown = lines_for(head.origin, plane.config.origins)
            self._note_target(head.aim())
            head.check()
            if head.origin or not needs_key(head):
                self._open(head, moment)
            else:
                _check(plane, head)
                self._find(head, moment)
        except Refused as refusal:
            self.refuse(refusal)

    def _note_target(self, target: Target) -> None:
        outcome = self.outcome
        outcome.project, outcome.endpoint = target.project, target.slug
        outcome.operation = target.operation

    def _open(self, head: Head, moment: float) -> None:
        """Look at the endpoint first: its project's pages may read the answer, whatever it is."""

        def on_known(route: Route | None, sure: bool) -> None:
            if self.state != READING:
                return
            if head.origin and route is not None and not self.names.shown:
                self.names.shown = lines_for(head.origin, route.origins)
            try:
                _check(self.plane, head)
                if needs_key(head):
                    self._find(head, moment)
                elif head.method == OPTIONS:
                    lines = options_lines(head, may_read=bool(self.names.shown))
                    self._answer(NO_CONTENT, lines, b"")
                else:
                    find_health(self.plane, route, sure=sure, then=self._tell_health)
            except Refused as refusal:
                self.refuse(refusal)

        find_route(self.plane, head.target, on_known)

    def _tell_health(self, status: int) -> None:
        if self.state == READING:
            self._answer(status, *health_body(status))

    def _find(self, head: Head, moment: float) -> None:
        """Ask the gate, unless it has passed this very head and nothing has changed since."""
        tables, known = self.plane.tables, head.passed
        is_fresh = head.found_at == tables.generation and tables.is_hearing()
        if known is not None and is_fresh and not known.grant.is_over(moment):
            self._on_passed(known)
            return
        # Noted before the tables are asked: what changes meanwhile makes it stale.
        head.passed, head.found_at = None, tables.generation
        LookUp(self.plane, head, self._on_passed, self.refuse).begin(self.caller.address)

    def wait_until(self, moment: float) -> None:
        """Wait for something else from now on, until then."""
        is_sooner = moment < self.due
        self.due = moment
        if is_sooner:
            self.plane.wheel.arm(self)

    def _on_passed(self, passed: Passed) -> None:
        if self.state != READING:
            return
        self._passed = passed
        if passed.is_lasting:
            self._head.passed = passed
        outcome, grant = self.outcome, passed.grant
        outcome.route, outcome.key_id = passed.route, grant.key_id
        outcome.secret_id, outcome.slo = grant.secret_id, passed.slo
        self._go_on()

    @property
    def is_over(self) -> bool:
        """Say whether it is concluded."""
        return self.state == DONE

    @property
    def stands_on(self) -> tuple[str, ...]:
        """Name the entries that let it in, and may be taken back."""
        passed = self._passed
        if passed is None:
            return ()
        names = (passed.grant_name, self._head.target.route_key)
        return names if passed.grant_name else names[1:]

    def look_again(self, thing: object) -> None:
        """Go through the gate again by what an entry says now.

        What is missing was not taken back: that has a row.
        """
        passed = self._passed
        if passed is None or self.state == DONE:
            return
        try:
            if isinstance(thing, Grant):
                self._check_grant(passed.grant, thing)
            elif isinstance(thing, Route):
                rules.check_route(thing, self._head.target)
        except Refused as refusal:
            self.fail(refusal)

    def _check_grant(self, then: Grant, now: Grant) -> None:
        # A key that ends as it was always going to opens nothing new, and closes nothing.
        is_moved = now.expires_at != then.expires_at
        moment = self.plane.clock() if is_moved else moment_of(self.names.request_id)
        rules.check_grant(now, self._head.target, self.caller.address, moment)

    def _is_shut_out(self, passed: Passed) -> bool:
        """Refuse unread what was refused a moment ago and would be again, whatever it says."""
        self._known = self.plane.limiter.shut(passed.grant, passed.route)
        if self._known is None:
            return False
        self.state = SHUT_OUT
        self.caller.pause_body()
        self.wait_until(self.plane.now() + TOLD_AGAIN_S)
        return True

    def _answer(self, status: int, lines: Lines, body: bytes) -> None:
        self.conclude(status, "", "complete")
        self._send(status, lines, body)

    def _send(self, status: int, lines: Lines, body: bytes) -> None:
        size = None if status == NO_CONTENT else len(body)
        self.caller.start(status, own_head(lines, self.names, size), has_length=True)
        self.caller.write(body)
        self.caller.finish()

    @abstractmethod
    def on_due(self, now: float) -> None:
        """Answer for the wait that lasted too long."""

    @abstractmethod
    def refuse(self, refusal: Refused, extra: Lines = b"", ending: str = "refused") -> None:
        """Answer with an error; nothing of an answer may have been sent."""

    @abstractmethod
    def fail(self, refusal: Refused) -> None:
        """End it with an error, in whatever form it can still take."""

    @abstractmethod
    def conclude(self, status: int, code: str, ending: str) -> None:
        """Book the end: settle, report, and take no more part. Comes before the last byte."""

    @abstractmethod
    def resume_body(self) -> None:
        """Let the caller send on: the worker has room."""

    @abstractmethod
    def go_on_holding(self) -> None:
        """Hold what the upload has grown to."""

    @abstractmethod
    def _go_on(self) -> None:
        """Go on if the gate has passed it and enough of its body is here."""


def _check(plane: Plane, head: Head) -> None:
    if plane.draining:
        raise Refused("service_unavailable", "The gateway is stopping; please try again.")
    if head.announced > plane.config.bounds.body_bytes:
        raise too_large(plane)


def too_large(plane: Plane) -> Refused:
    """Return the refusal of a body that is too large."""
    limit = plane.config.bounds.body_bytes
    return Refused("request_too_large", f"The body is larger than {limit} bytes.")
