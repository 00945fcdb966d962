"""A stream: one request on a link, and whoever waits for its answer (``ports.Call``).

Nothing here knows of sockets or time. What arrives is kept until the read it came with is
through, and is then pushed as one piece; while the caller is slow it stays, and since only what
was pushed is granted anew, that is never more than a window.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final

from inference.fleet.load import Load
from inference.fleet.null_answer import NULL_ANSWER
from inference.fleet.ports import Answer, WorkerFailed
from inference.fleet.tunnel import frames, heads
from inference.fleet.tunnel.upload import Upload
from inference.fleet.tunnel.windows import Inflow
from inference.http.lines import Headers

REASONS: Final = {
    frames.CANCEL: "reset",
    frames.BROKEN: "reset",
    frames.PROTOCOL: "protocol",
    frames.SILENT: "timeout",
    frames.TOO_LARGE: "protocol",
    frames.FLOW: "reset",
    frames.INTERNAL: "reset",
}
"""What a RESET of the agent is to whoever asked. One that is UNTOUCHED is ``connect``."""

DECLINES: Final = (frames.BUSY, frames.DRAINING)
"""Codes by which a machine says, untouched, that it is not the one to ask now."""


class Carrier(ABC):
    """What a stream needs of the link it is on."""

    @abstractmethod
    def wake(self, upload: Upload) -> None:
        """Let it have a turn at sending."""

    @abstractmethod
    def renew(self, number: int, inflow: Inflow, size: int) -> None:
        """Learn that so many bytes of an answer were taken."""

    @abstractmethod
    def drop(self, number: int, code: int) -> None:
        """End it at the agent's side, too."""

    @abstractmethod
    def push_soon(self, stream: Stream) -> None:
        """Have it pushed what it keeps, but not before whoever asks now has returned."""


class Stream:
    """See the module. ``number`` is 0 until its OPEN has left.

    ``is_closed``: one side said its last word, so nothing more goes over the link; what came may
    still have to be pushed.
    """

    __slots__ = (
        "_carrier",
        "_has_head",
        "_head",
        "_held",
        "_is_complete",
        "_is_drained",
        "_is_paused",
        "_left",
        "_load",
        "_open_head",
        "_pushed",
        "answer",
        "failure",
        "inflow",
        "is_closed",
        "is_due",
        "number",
        "upload",
    )

    def __init__(
        self, carrier: Carrier, load: Load, head: bytes, body: bytes | None, answer: Answer
    ) -> None:
        self.number = 0
        self.answer = answer
        self.inflow: Inflow | None = None
        self.upload = Upload(head, body, self._on_drain)
        self.is_closed = False
        self.is_due = False
        """It is among those that are pushed next."""
        self.failure: WorkerFailed | None = None
        self._open_head = head
        self._carrier = carrier
        self._load = load
        self._head: tuple[int, Headers] | None = None
        self._has_head = self._is_complete = self._is_paused = self._is_drained = False
        self._left = heads.UNKNOWN
        self._held: list[bytes] = []
        self._pushed = 0
        load.asked += 1
        load.in_flight += 1

    @property
    def is_over(self) -> bool:
        """Say whether the answer ended, failed or was given up."""
        return self.answer is NULL_ANSWER

    # ── What whoever asked says ────────────────────────────────────────────────────────

    def write(self, data: bytes) -> bool:
        """Send more of a streamed request body; false asks to wait for ``on_drain``."""
        upload = self.upload
        if not data or not upload.is_open or self.is_over:
            return True
        may_go_on = upload.write(data)
        self._carrier.wake(upload)
        return may_go_on

    def end(self) -> None:
        """Say that the streamed request body is complete."""
        if self.upload.is_open and not self.is_over:
            self.upload.end()
            self._carrier.wake(self.upload)

    def pause(self) -> None:
        """Keep what comes from now on, and grant nothing more: the caller is slow."""
        self._is_paused = True

    def resume(self) -> None:
        """Go on pushing, but not before this has returned."""
        self._is_paused = False
        if not self.is_over:
            self._carrier.push_soon(self)

    def abort(self) -> None:
        """Give it up, at the agent's too. Nothing is pushed to the answer afterwards."""
        self._finish()
        self.close(frames.CANCEL)

    def tell(self, answer: Answer) -> None:
        """Push what comes from now on to another."""
        if not self.is_over:
            self.answer = answer

    # ── What the agent says ────────────────────────────────────────────────────────────

    def on_head(self, status: int, lines: bytes, *, is_last: bool) -> None:
        """Take the head of the answer."""
        if self._has_head:
            self.break_off("protocol", "a second head", frames.PROTOCOL)
            return
        try:
            headers, self._left = heads.read_head(status, lines)
        except heads.BadHead as fault:
            self.break_off("protocol", str(fault), frames.PROTOCOL)
            return
        self._has_head = True
        self._head = (status, headers)
        if is_last:
            self._on_last()

    def on_data(self, data: bytes, *, is_last: bool) -> None:
        """Take a piece of the body, in order."""
        size, inflow = len(data), self.inflow
        if inflow is None or not inflow.arrive(size):
            self.break_off("reset", "the agent sent more than it was granted", frames.FLOW)
        elif not self._has_head:
            self.break_off("protocol", "a body before its head", frames.PROTOCOL)
        elif 0 <= self._left < size:
            self.break_off("protocol", "a body that is too long", frames.PROTOCOL)
        else:
            self._left -= size if self._left > 0 else 0
            if size:
                self._held.append(data)
            if is_last:
                self._on_last()

    def _on_last(self) -> None:
        if self._left > 0:
            self.break_off("protocol", "a body that ended early", frames.PROTOCOL)
            return
        self._is_complete = True
        if self.upload.is_wanted:
            self._carrier.drop(self.number, frames.CANCEL)  # It needs no more of the question.
        self._close()

    def on_reset(self, code: int, detail: str, *, is_untouched: bool) -> None:
        """Learn that the agent has given it up."""
        reason = "connect" if is_untouched else REASONS.get(code, "reset")
        declined = is_untouched and code in DECLINES
        self._fail(WorkerFailed(reason, detail, is_declined=declined))

    def break_off(self, reason: str, words: str, code: int) -> None:
        """End it: it can't go on."""
        if not self.is_closed:
            self._carrier.drop(self.number, code)
        self._fail(WorkerFailed(reason, words))

    # ── What the link says ─────────────────────────────────────────────────────────────

    def begin(self, number: int, inflow: Inflow, window: int) -> bytes:
        """Take a number, and return the frame that opens it."""
        upload, head = self.upload, self._open_head
        opening = frames.open_frame(number, head, upload.inside)
        self.number, self.inflow, self._open_head = number, inflow, b""
        upload.begin(number, window)
        return opening

    def on_link_gone(self, words: str) -> None:
        """Learn that nothing more will come; what never left was touched by nobody."""
        self._fail(WorkerFailed("reset" if self.number else "connect", words))

    def close(self, code: int) -> None:
        """End it at both sides, if that is not done."""
        if not self.is_closed:
            self._carrier.drop(self.number, code)
            self._close()

    def give_up(self) -> Answer:
        """Fail without telling; returns who is to be told."""
        self._load.failed += not self.is_over
        answer = self._finish()
        self.close(frames.INTERNAL)
        return answer

    def _close(self) -> None:
        self.is_closed = True
        self.upload.stop()
        if self.inflow is not None and not self._held:
            self.inflow.close()

    def _fail(self, failure: WorkerFailed) -> None:
        if self._is_complete or self.failure is not None:
            return
        self.failure = failure
        if not (self._held or self._head):
            self._is_paused = False  # Nothing is before it: bad news need not wait.
        self._close()

    # ── Pushing ────────────────────────────────────────────────────────────────────────

    def push(self) -> None:
        """Tell the answer what was kept, unless it is to wait."""
        if self._is_drained:
            self._is_drained = False
            self.answer.on_drain()
        while not self._is_paused and not self.is_over:
            if self._head is not None:
                (status, headers), self._head = self._head, None
                self.answer.on_head(status, headers)
            elif self._held:
                held, self._held = self._held, []
                self._push_data(held[0] if len(held) == 1 else b"".join(held))
            else:
                self._push_end()
                break
        if self._pushed and not self._is_paused and not self.is_closed:
            inflow, size, self._pushed = self.inflow, self._pushed, 0
            if inflow is not None:
                self._carrier.renew(self.number, inflow, size)

    def _push_data(self, data: bytes) -> None:
        self._pushed += len(data)
        if self.is_closed and self.inflow is not None:
            self.inflow.close()
        self.answer.on_data(data)

    def _push_end(self) -> None:
        failure = self.failure
        if failure is not None:
            self._load.failed += not failure.is_declined
            self._finish().on_fail(failure)
        elif self._is_complete:
            self._finish().on_end()

    def _finish(self) -> Answer:
        """Count the request as done and return who is to be told, once."""
        answer, self.answer = self.answer, NULL_ANSWER
        if answer is not NULL_ANSWER:
            self._load.in_flight -= 1
        self._held, self._head = [], None
        if self.inflow is not None and self.is_closed:
            self.inflow.close()
        return answer

    def _on_drain(self) -> None:
        self._is_drained = True
        self._carrier.push_soon(self)
