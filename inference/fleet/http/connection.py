"""One connection to a worker.

Push style: the answer is handed on from within ``data_received``. There is no task, no
future and no queue between a worker's socket and whoever asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from inference.fleet.allowed_headers import answer_headers
from inference.fleet.http.call import HttpCall
from inference.fleet.http.config import HttpConfig
from inference.fleet.http.reader import AnswerReader


class PoolPort(Protocol):
    """What a connection needs of its pool."""

    config: HttpConfig
    now: Callable[[], float]

    def opened(self, connection: Connection) -> None:
        """Count a connection that is up."""

    def release(self, connection: Connection) -> None:
        """Take back a connection that can serve the next request."""

    def lost(self, connection: Connection) -> None:
        """Forget a connection that is gone."""

    def again(self, call: HttpCall) -> None:
        """Send a call on a fresh connection."""


class Connection(asyncio.Protocol):
    """A connection to a worker. Serves one call at a time; lies in its pool between calls."""

    __slots__ = ("_paused", "_reader", "call", "congested", "home", "served", "transport")

    transport: asyncio.Transport

    def __init__(self, home: PoolPort) -> None:
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
        call.ride(self, self.home.now(), reused=reused)

    def write(self, data: bytes) -> None:
        """Hand bytes to the socket, unless it is closed and only the news is still to come.

        (uvloop raises for a transport that asyncio would ignore, here and below.)
        """
        if not self.transport.is_closing():
            self.transport.write(data)

    def pause(self) -> None:
        """Stop reading: at most the read under way still arrives."""
        if not self._paused and not self.transport.is_closing():
            self._paused = True
            self.transport.pause_reading()

    def resume(self) -> None:
        """Go on reading."""
        if self._paused and not self.transport.is_closing():
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
        if reader.fault and not had_head:
            # Nothing was told yet: another worker can still give the whole answer.
            self._settle(call)
            return
        if reader.status and not had_head:
            call.answer.on_head(reader.status, answer_headers(reader.headers))
        if body:
            call.answer.on_data(body)
        if reader.complete or reader.fault:
            self._settle(call)

    def _settle(self, call: HttpCall) -> None:
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
        elif not reader.touched and call.lost_race(self.home.now(), config.race_window_s):
            self.home.again(call)
        else:
            call.fail("reset", str(exc) if exc else _where(reader))


def _where(reader: AnswerReader) -> str:
    if not reader.touched:
        return "closed without an answer"
    return "closed within the body" if reader.status else "closed within the head"
