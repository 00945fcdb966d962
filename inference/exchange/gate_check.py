"""The gate (authentication, authorisation) as one request meets it: asked once, and asked again.

Asked again when what let the request in is taken back while it runs.
"""

from __future__ import annotations

from inference.contracts.entries import Grant, Route
from inference.contracts.events import moment_of
from inference.contracts.origins import lines_for
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
from inference.exchange.request import READING, Request
from inference.exchange.upload import too_large
from inference.gate import rules
from inference.gate.head import Head
from inference.gate.passed import Passed
from inference.gate.rules import OPTIONS
from inference.http.problems import Refused


class GateCheck:
    """Leads a request's head through the gate, or to what is open without a key.

    Nobody holds it but whom it has asked: it is gone with the last answer.
    """

    __slots__ = ("_moment", "_request")

    def __init__(self, request: Request, moment: float) -> None:
        self._request = request
        self._moment = moment

    def begin(self) -> None:
        """Ask. Raises ``Refused`` at once; what comes later is told to the request."""
        request = self._request
        head, outcome, origins = request.head, request.outcome, request.plane.config.origins
        if head.origin:
            request.names.shown = lines_for(head.origin, origins)
        target = head.aim()
        outcome.project, outcome.endpoint = target.project, target.slug
        outcome.operation = target.operation
        head.check()
        if head.origin or not needs_key(head):
            # Its project's pages may read the answer, whatever it is.
            find_route(request.plane, target, self._on_route)
        else:
            _check(request.plane, head)
            self._find()

    def _on_route(self, route: Route | None, sure: bool) -> None:
        request = self._request
        head, names = request.head, request.names
        if request.state != READING:
            return
        if head.origin and route is not None and not names.shown:
            names.shown = lines_for(head.origin, route.origins)
        try:
            _check(request.plane, head)
            if needs_key(head):
                self._find()
            elif head.method == OPTIONS:
                lines = options_lines(head, may_read=bool(names.shown))
                request.answer(NO_CONTENT, lines, b"")
            else:
                find_health(request.plane, route, sure=sure, then=self._tell_health)
        except Refused as refusal:
            request.refuse(refusal)

    def _tell_health(self, status: int) -> None:
        if self._request.state == READING:
            self._request.answer(status, *health_body(status))

    def _find(self) -> None:
        """Ask the gate, unless it has passed this very head and nothing has changed since."""
        request = self._request
        tables, head = request.plane.tables, request.head
        known = head.passed
        is_fresh = head.found_at == tables.generation and tables.is_hearing()
        if known is not None and is_fresh and not known.grant.is_over(self._moment):
            self._on_passed(known)
            return
        # Noted before the tables are asked: what changes meanwhile makes it stale.
        head.passed, head.found_at = None, tables.generation
        LookUp(request.plane, head, self._on_passed, request.refuse).begin(request.caller.address)

    def _on_passed(self, passed: Passed) -> None:
        request = self._request
        if request.state != READING:
            return
        if passed.is_lasting:
            request.head.passed = passed
        request.on_passed(passed)


def stands_on(request: Request) -> tuple[str, ...]:
    """Name the entries that let a request in, and may be taken back."""
    passed = request.passed
    if passed is None:
        return ()
    names = (passed.grant_name, request.head.target.route_key)
    return names if passed.grant_name else names[1:]


def check_again(request: Request, passed: Passed, thing: object) -> None:
    """Lead a request that runs through the gate by what an entry says now. Raises ``Refused``.

    What is missing was not taken back: that has a row.
    """
    target = request.head.target
    if isinstance(thing, Grant):
        # A key that ends as it was always going to opens nothing new, and closes nothing.
        is_moved = thing.expires_at != passed.grant.expires_at
        moment = request.plane.clock() if is_moved else moment_of(request.names.request_id)
        rules.check_grant(thing, target, request.caller.address, moment)
    elif isinstance(thing, Route):
        rules.check_route(thing, target)


def _check(plane: Plane, head: Head) -> None:
    if plane.draining:
        raise Refused("service_unavailable", "The gateway is stopping; please try again.")
    if head.announced > plane.config.bounds.body_bytes:
        raise too_large(plane)
