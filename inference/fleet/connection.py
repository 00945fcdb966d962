"""One connection to a worker, and one request on it.

Push style: the answer is handed on from within ``data_received``. There is no task, no
future and no queue between a worker's socket and whoever asked.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, Protocol

from inference.fleet.config import FleetConfig
from inference.fleet.heads import answer_headers
from inference.fleet.reader import AnswerReader
from inference.ports import Answer, Headers, WorkerFailed

JOIN_MAX_BYTES: Final = 64 * 1024
"""Up to here copying head and body together is cheaper than a second buffer."""


class Nobody:
    """Takes the answer of a request that is over: nothing reaches the asker any more."""

    def on_head(self, status: int, headers: Headers) -> None:
        """Drop it."""

    def on_data(self, data: bytes) -> None:
        """Drop it."""

    def on_end(self) -> None:
        """Drop it."""

    def on_fail(self, failure: WorkerFailed) -> None:
        """Drop it."""

    def on_drain(self) -> None:
        """Drop it."""


NOBODY: Final = Nobody()


class Load:
    """What one worker has been given, and how it went. Counts, never reset."""

    __slots__ = ("asked", "failed", "in_flight", "retried")

    def __init__(self) -> None:
        self.asked = self.failed = self.in_flight = self.retried = 0


class Home(Protocol):
    """What a connection needs of its pool."""

    config: FleetConfig
    loop: asyncio.AbstractEventLoop

    def opened(self, connection: Connection) -> None:
        """Count a connection that is up."""

    def release(self, connection: Connection) -> None:
        """Take back a connection that can serve the next request."""

    def lost(self, connection: Connection) -> None:
        """Forget a connection that is gone."""

    def again(self, call: HttpCall) -> None:
        """Send a call on a fresh connection."""


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
        self._connection: Connection | None = None
        self._backlog: list[bytes] = []
        self._paused = self._reused = False
        self._started_s = 0.0
        self._load = load
        load.in_flight += 1
        load.asked += 1

    @property
    def over(self) -> bool:
        """Say whether the answer ended, failed or was given up."""
        return self.answer is NOBODY

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

    def finish(self) -> Answer:
        """Count the request as done and return who is to be told, once."""
        answer, self.answer = self.answer, NOBODY
        if answer is not NOBODY:
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

    def ride(self, connection: Connection, *, reused: bool) -> None:
        """Go out on a connection."""
        self._connection = connection
        self._reused = reused
        self._started_s = connection.home.loop.time()
        if self.body is None:
            connection.write(self.head)
            self._flush(connection)
        elif len(self.body) <= JOIN_MAX_BYTES:
            connection.write(self.head + self.body)
        else:
            connection.transport.writelines([self.head, self.body])
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

    def _flush(self, connection: Connection) -> None:
        if self._backlog:
            connection.write(b"".join(self._backlog))
            self._backlog.clear()
            if not connection.congested:
                self.answer.on_drain()


class Connection(asyncio.Protocol):
    """A connection to a worker. Serves one call at a time; lies in its pool between calls."""

    __slots__ = ("_paused", "_reader", "call", "congested", "home", "served", "transport")

    transport: asyncio.Transport

    def __init__(self, home: Home) -> None:
        self.home = home
        self.call: HttpCall | None = None
        self.congested = False
        self.served = 0
        self._paused = False
        self._reader = AnswerReader(home.config.max_spare_bytes, home.config.max_headers)

    def start(self, call: HttpCall) -> None:
        """Send a request on this connection, which must be idle."""
        reused = self.served > 0
        self.served += 1
        self._reader.begin()
        self.call = call
        call.ride(self, reused=reused)

    def write(self, data: bytes) -> None:
        """Hand bytes to the socket."""
        self.transport.write(data)

    def pause(self) -> None:
        """Stop reading: at most the read under way still arrives."""
        if not self._paused:
            self._paused = True
            self.transport.pause_reading()

    def resume(self) -> None:
        """Go on reading."""
        if self._paused:
            self._paused = False
            self.transport.resume_reading()

    def drop(self) -> None:
        """Close at once, whatever is under way; what is unsent is not sent."""
        self.call = None
        self.transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: Any) -> None:
        """Start counting."""
        self.transport = transport
        transport.set_write_buffer_limits(high=self.home.config.write_high_bytes)
        self.home.opened(self)

    def data_received(self, data: bytes) -> None:
        """Hand on what one read brought."""
        call = self.call
        if call is None:
            # An answer to nobody's question: what follows could be taken for someone's.
            self.transport.abort()
            return
        reader = self._reader
        had_head = reader.status
        body = reader.feed(data)
        if reader.status and not had_head and not reader.fault:
            call.answer.on_head(reader.status, answer_headers(reader.headers))
        if body:
            call.answer.on_data(body)
        if reader.complete or reader.fault:
            self._settle(call)

    def _settle(self, call: HttpCall) -> None:
        if self.call is not call:
            return  # Given up while being told.
        reader = self._reader
        if reader.fault:
            self.drop()
            call.fail("protocol", reader.fault)
            return
        self.call = None
        clean = reader.reusable and not call.uploading and not self.congested
        answer = call.leave()
        if clean and not self.transport.is_closing():
            self.resume()
            self.home.release(self)
        else:
            self.transport.abort()
        answer.on_end()

    def pause_writing(self) -> None:
        """Hear that the worker does not take more for now."""
        self.congested = True

    def resume_writing(self) -> None:
        """Hear that the worker takes more."""
        self.congested = False
        if self.call is not None and self.call.uploading:
            self.call.answer.on_drain()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell a complete answer from a broken one, and both from a lost race."""
        self.home.lost(self)
        call, self.call = self.call, None
        if call is None:
            return
        reader = self._reader
        config = self.home.config
        if exc is None and reader.at_eof():
            call.leave().on_end()
        elif not reader.touched and call.lost_race(self.home.loop.time(), config.race_window_s):
            self.home.again(call)
        else:
            call.fail("reset", str(exc) if exc else _where(reader))


def _where(reader: AnswerReader) -> str:
    if not reader.touched:
        return "closed without an answer"
    return "closed within the body" if reader.status else "closed within the head"
