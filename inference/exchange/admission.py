"""Admission of one request: the limiter's verdict, and the worker that is asked beside it."""

from __future__ import annotations

from typing import Final

from inference.admission.ports import Ask, Verdict
from inference.body.prepare import Prepared
from inference.exchange.answer_head import refusal_lines
from inference.exchange.demands import demand_of
from inference.exchange.head_start import HeadStart
from inference.exchange.request import DECIDING, SHUT_OUT, Request
from inference.gate.passed import Passed
from inference.http.problems import Refused

TOLD_AGAIN_S: Final = 0.1
"""How long who was told to wait, and did not, waits to be told again: reading is dear, too."""


class Admission:
    """Asks the limiter for a request, and knows what it said. ``is_granted``: that it may run."""

    __slots__ = ("_early", "_fault", "_known", "_passed", "_prepared", "_request", "is_granted")

    def __init__(self, request: Request) -> None:
        self._request = request
        self._passed: Passed
        self._prepared: Prepared
        self._known: Verdict | None = None
        """Why it is shut out."""
        self._fault: Refused | None = None
        """What is wrong with its body, of which it is told once it was counted."""
        self._early: HeadStart | None = None
        self.is_granted = False

    def shuts_out(self, passed: Passed) -> bool:
        """Refuse unread what was refused a moment ago and would be again, whatever it says."""
        request = self._request
        self._known = request.plane.limiter.shut(passed.grant, passed.route)
        if self._known is None:
            return False
        request.state = SHUT_OUT
        request.caller.pause_body()
        request.wait_until(request.plane.now() + TOLD_AGAIN_S)
        return True

    def tell_again(self) -> None:
        """Say why it is shut out."""
        if self._known is not None:
            self._refuse(self._known)

    def ask_faulty(self, passed: Passed, fault: Refused) -> None:
        """Ask for a request whose body is no good, and say so when it was counted.

        It counts as if it were good, or nonsense would be cheaper than sense.
        """
        self._fault = fault
        self.ask(passed, Prepared(None, 0, streaming=False, n=1, limit=0))

    def ask(self, passed: Passed, prepared: Prepared, *, is_open: bool = False) -> None:
        """Ask for a request. ``is_open``: more of its body is to come."""
        request = self._request
        self._passed, self._prepared = passed, prepared
        request.outcome.streamed = prepared.streaming
        request.outcome.prompt_bytes = prepared.prompt_bytes
        request.state = DECIDING
        ask = Ask(
            request_id=request.names.request_id,
            grant=passed.grant,
            route=passed.route,
            prompt_tokens=prepared.prompt_tokens,
            limit_tokens=prepared.limit,
            n=prepared.n,
            streaming=prepared.streaming,
            now=request.plane.clock(),
            operation=request.head.target.rest,
            is_open=is_open,
        )
        is_likely = request.plane.limiter.admit(ask, self._on_verdict)
        if is_likely and prepared.body is not None and request.state == DECIDING:
            self._start_early(passed, prepared)

    def _start_early(self, passed: Passed, prepared: Prepared) -> None:
        plane, path = self._request.plane, self._request.head.target.path
        demand = demand_of(self._request, passed, prepared)
        choice = plane.router.choose(passed.pools, (), demand)
        if choice is not None:
            body = prepared.body_for(choice.worker) or b""
            self._early = HeadStart(plane, choice, path, self._request.lines_up(), body)

    def _on_verdict(self, verdict: Verdict) -> None:
        request = self._request
        if not verdict.allowed:
            self._refuse(verdict)
        elif request.is_over:
            # The caller left while it was decided: what was held has to be released.
            request.plane.limiter.settle(request.outcome.event())
        else:
            self.is_granted = True
            fault = self._fault
            if fault is not None:
                request.refuse(fault)
            else:
                request.on_admitted(self._passed, self._prepared, verdict)

    def _refuse(self, verdict: Verdict) -> None:
        request = self._request
        refusal = Refused(verdict.code, verdict.message, retry_after_s=verdict.retry_after_s)
        request.refuse(refusal, refusal_lines(request.names, "", verdict.limits))

    def hand_over(self) -> HeadStart | None:
        """Let another go on with the worker that was asked already, if one was."""
        early, self._early = self._early, None
        return early

    def let_go(self) -> None:
        """Hang up on a worker that was asked already, and forget what was wrong with the body.

        A fault that was raised knows of the frames it came through, and so of the request.
        """
        self._fault, early = None, self.hand_over()
        if early is not None:
            early.take_back()
