"""A call: one request to a worker by HTTP/1.1, and whoever waits for its answer."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from inference.fleet.load import Load
from inference.fleet.null_answer import NULL_ANSWER
from inference.fleet.ports import Answer, WorkerFailed

JOIN_MAX_BYTES: Final = 64 * 1024
"""Up to here copying head and body together is cheaper than a second write."""


class ConnectionPort(Protocol):
    """What a call needs of the connection it is on."""

    congested: bool

    def write(self, data: bytes) -> None:
        """Hand bytes to the socket."""

    def pause(self) -> None:
        """Stop reading."""

    def resume(self) -> None:
        """Go on reading."""

    def drop(self) -> None:
        """Close at once."""


class HttpCall:
    """One request and whoever waits for its answer: ``ports.Call`` over HTTP."""

    __slots__ = (
        "_backlog",
        "_connection",
        "_load",
        "_paused",
        "_reused",
        "_started_s",
        "answer",
        "body",
        "connecting",
        "head",
        "uploading",
    )

    def __init__(self, load: Load, head: bytes, body: bytes | None, answer: Answer) -> None:
        self.head = head
        self.body = body
        self.answer = answer
        self.uploading = body is None
        self.connecting: asyncio.Task[None] | None = None
        self._connection: ConnectionPort | None = None
        self._backlog: list[bytes] = []
        self._paused = self._reused = False
        self._started_s = 0.0
        self._load = load
        load.in_flight += 1
        load.asked += 1

    @property
    def over(self) -> bool:
        """Say whether the answer ended, failed or was given up."""
        return self.answer is NULL_ANSWER

    def write(self, data: bytes) -> bool:
        """Send more of a streamed request body; false asks to wait for ``on_drain``."""
        if not data or not self.uploading or self.over:
            return True
        return self._send(b"%x\r\n%b\r\n" % (len(data), data))

    def end(self) -> None:
        """Say that the streamed request body is complete."""
        if self.uploading and not self.over:
            self.uploading = False
            self._send(b"0\r\n\r\n")

    def pause(self) -> None:
        """Stop reading the answer: the caller is slow."""
        self._paused = True
        if self._connection is not None:
            self._connection.pause()

    def resume(self) -> None:
        """Go on reading."""
        self._paused = False
        if self._connection is not None:
            self._connection.resume()

    def abort(self) -> None:
        """Close the connection now. Nothing is pushed to the answer afterwards."""
        self.finish()
        if self.connecting is not None:
            self.connecting.cancel()
        if self._connection is not None:
            self._connection.drop()
            self._connection = None

    def tell(self, answer: Answer) -> None:
        """Push what comes from now on to another."""
        if not self.over:
            self.answer = answer

    def finish(self) -> Answer:
        """Count the request as done and return who is to be told, once."""
        answer, self.answer = self.answer, NULL_ANSWER
        if answer is not NULL_ANSWER:
            self._load.in_flight -= 1
        self._backlog.clear()
        return answer

    def fail(self, reason: str, detail: str = "") -> None:
        """Tell the asker that nothing more will come."""
        self._connection = None
        if not self.over:
            self._load.failed += 1
        self.finish().on_fail(WorkerFailed(reason, detail))

    # What only the connection calls.

    def ride(self, connection: ConnectionPort, now_s: float, *, reused: bool) -> None:
        """Go out on a connection."""
        self._connection = connection
        self._reused = reused
        self._started_s = now_s
        if self.body is None:
            connection.write(self.head)
            self._flush(connection)
        elif len(self.body) <= JOIN_MAX_BYTES:
            connection.write(self.head + self.body)
        else:
            connection.write(self.head)
            connection.write(self.body)
        if self._paused:
            connection.pause()

    def leave(self) -> Answer:
        """Leave a connection that has given the whole answer."""
        self._connection = None
        return self.finish()

    def lost_race(self, now_s: float, window_s: float) -> bool:
        """Say whether the worker closed an idle connection just as this was written to it.

        True at most once, and never for a body that is not here to be sent again.
        """
        racing = self._reused and self.body is not None and now_s - self._started_s <= window_s
        self._reused = False
        if racing:
            self._load.retried += 1
            self._connection = None
        return racing

    def _send(self, framed: bytes) -> bool:
        connection = self._connection
        if connection is None:
            # One piece waits here; the asker was told to keep the next.
            self._backlog.append(framed)
            return False
        connection.write(framed)
        return not connection.congested

    def _flush(self, connection: ConnectionPort) -> None:
        if self._backlog:
            connection.write(b"".join(self._backlog))
            self._backlog.clear()
            if not connection.congested:
                self.answer.on_drain()
