"""A call (``ports.Call``) that goes through another gateway: its question, and who waits for it.

What was surely not asked yet may be asked elsewhere: where a gateway can't be reached, is not the
one it should be, or has lost its link, the next one that has one is tried. A body is sent only to
a gateway that has begun to ask the agent.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final, Protocol

from inference.fleet.hop import wire
from inference.fleet.hop.directory import Place
from inference.fleet.hop.wire import Question
from inference.fleet.load import Load
from inference.fleet.null_answer import NULL_ANSWER
from inference.fleet.ports import Answer, WorkerFailed
from inference.http.lines import Headers

HIGH: Final = 64 * 1024
"""Bytes that wait here before whoever writes is asked to wait."""


class End(Protocol):
    """What a call needs of the connection it is on."""

    def write(self, data: bytes) -> None:
        """Hand bytes to the socket."""

    def pause(self) -> None:
        """Take no more of the answer."""

    def resume(self) -> None:
        """Go on taking it."""

    def drop(self) -> None:
        """Close at once."""


class Reach(Protocol):
    """How other gateways are reached, and what is remembered of them."""

    def dial(self, call: HopCall, place: Place) -> asyncio.Task[None]:
        """Connect to a gateway; the call hears what comes of it."""

    def shun(self, place: Place) -> None:
        """Learn that its gateway can't be reached."""

    def forget(self, place: Place) -> None:
        """Learn that it has no link of that agent any more."""

    def over(self, call: HopCall) -> None:
        """Learn that nothing more comes of a call."""


class HopCall:
    """See the module. ``places``: who has a link, in the order in which they are tried."""

    __slots__ = (
        "_backlog",
        "_body",
        "_dialling",
        "_end",
        "_granted",
        "_has_ended",
        "_is_asker_waiting",
        "_is_paused",
        "_line",
        "_load",
        "_place",
        "_places",
        "_reach",
        "_sent",
        "_waiting",
        "answer",
        "question",
    )

    def __init__(
        self,
        reach: Reach,
        places: list[Place],
        question: Question,
        body: bytes | None,
        load: Load,
        answer: Answer,
    ) -> None:
        self.question = question
        self.answer = answer
        self._reach = reach
        self._places = places
        self._body = body
        self._load = load
        self._line: End | None = None
        self._end: End | None = None
        """The same, once it is known to be the gateway it should be."""
        self._backlog: deque[bytes] = deque()
        self._waiting = self._sent = self._granted = 0
        self._has_ended = self._is_paused = self._is_asker_waiting = False
        load.asked += 1
        load.in_flight += 1
        self._place = places.pop(0)
        self._dialling = reach.dial(self, self._place)

    @property
    def is_over(self) -> bool:
        """Say whether the answer ended, failed or was given up."""
        return self.answer is NULL_ANSWER

    # ── What whoever asked says ────────────────────────────────────────────────────────

    def write(self, data: bytes) -> bool:
        """Send more of a streamed request body; false asks to wait for ``on_drain``."""
        if not data or self._body is not None or self._has_ended or self.is_over:
            return True
        self._backlog.append(data)
        self._waiting += len(data)
        self._flush()
        self._is_asker_waiting = self._waiting >= HIGH
        return not self._is_asker_waiting

    def end(self) -> None:
        """Say that the streamed request body is complete."""
        if self._body is None and not (self._has_ended or self.is_over):
            self._has_ended = True
            self._backlog.append(b"")
            self._flush()

    def pause(self) -> None:
        """Stop taking the answer: the caller is slow."""
        self._is_paused = True
        if self._end is not None:
            self._end.pause()

    def resume(self) -> None:
        """Go on taking it."""
        self._is_paused = False
        if self._end is not None:
            self._end.resume()

    def abort(self) -> None:
        """Give it up; the other gateway sees the connection end, and tells the agent."""
        self._finish()
        self._hang_up()

    def tell(self, answer: Answer) -> None:
        """Push what comes from now on to another."""
        if not self.is_over:
            self.answer = answer

    # ── What the connection says ───────────────────────────────────────────────────────

    def on_line(self, end: End, place: Place) -> None:
        """Learn that somebody is at the other end; not yet that it is the gateway."""
        if self.is_over or place is not self._place:
            end.drop()
        else:
            self._line = end

    def on_met(self, end: End, opening: bytes) -> None:
        """Ask a gateway that has proven what it is. Only a body that is whole goes at once."""
        self._end = end
        end.write(opening)
        if self._body is not None:
            for piece in wire.data_frames(self._body, is_last=True):
                end.write(piece)
        if self._is_paused:
            end.pause()

    def on_credit(self, offset: int) -> None:
        """Learn up to which byte the body may be sent."""
        self._granted = max(self._granted, offset)
        self._flush()
        if self._is_asker_waiting and self._waiting < HIGH:
            self._is_asker_waiting = False
            self.answer.on_drain()

    def on_head(self, status: int, headers: Headers) -> None:
        """Take the head of the answer."""
        self.answer.on_head(status, headers)

    def on_data(self, data: bytes, *, is_last: bool) -> None:
        """Take a piece of the answer."""
        if data:
            self.answer.on_data(data)
        if is_last and not self.is_over:
            self._hang_up()
            self._finish().on_end()

    def on_fail(self, failure: WorkerFailed) -> None:
        """Learn that the agent failed, or that nobody knows any more what became of it."""
        if self.is_over:
            return
        self._hang_up()
        self._load.failed += not failure.is_declined
        self._finish().on_fail(failure)

    def on_no_way(self, failure: WorkerFailed, *, is_gone: bool) -> None:
        """Learn that this gateway has not asked; the next one is tried, if there is one.

        ``is_gone``: it says so itself. Else nobody spoke, or the wrong one.
        """
        if self.is_over:
            return
        (self._reach.forget if is_gone else self._reach.shun)(self._place)
        if not self._places:
            self.on_fail(failure)
            return
        self._hang_up()
        self._place = self._places.pop(0)
        self._dialling = self._reach.dial(self, self._place)

    # ── Parts ──────────────────────────────────────────────────────────────────────────

    def _flush(self) -> None:
        """Send of the body what may be sent."""
        end, backlog = self._end, self._backlog
        while end is not None and backlog and (room := self._granted - self._sent) > 0:
            piece = backlog.popleft()
            if len(piece) > room:
                backlog.appendleft(piece[room:])
                piece = piece[:room]
            self._sent += len(piece)
            self._waiting -= len(piece)
            for data in wire.data_frames(piece, is_last=self._has_ended and not backlog):
                end.write(data)

    def _hang_up(self) -> None:
        self._dialling.cancel()
        line, self._line, self._end = self._line, None, None
        if line is not None:
            line.drop()

    def _finish(self) -> Answer:
        """Count the request as done and return who is to be told, once."""
        answer, self.answer = self.answer, NULL_ANSWER
        if answer is not NULL_ANSWER:
            self._load.in_flight -= 1
            self._reach.over(self)
        self._backlog.clear()
        return answer
