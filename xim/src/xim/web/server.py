"""A small HTTP/1.1 server for loopback: what is asked of xim itself, and of its simulator."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import h11

BODY_MAX = 64 << 20
READ = 1 << 16


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, whole."""

    method: str
    path: str
    query: str
    body: bytes


class Reply:
    """The answer to one request, written piece by piece."""

    def __init__(self, http: h11.Connection, writer: asyncio.StreamWriter) -> None:
        self._http, self._writer = http, writer

    async def whole(self, status: int, content: bytes, kind: str = "application/json") -> None:
        """Send an answer in one go."""
        await self.begin(status, kind, length=len(content))
        await self.piece(content)
        await self.end()

    async def json(self, status: int, content: Any) -> None:
        """Send an answer as JSON."""
        await self.whole(status, json.dumps(content).encode())

    async def begin(self, status: int, kind: str, length: int | None = None) -> None:
        """Send the head; without a length the body comes in chunks."""
        lines = [("content-type", kind)]
        lines.append(
            ("transfer-encoding", "chunked") if length is None else ("content-length", str(length))
        )
        reason = HTTPStatus(status).phrase.encode()
        head = h11.Response(status_code=status, headers=lines, reason=reason)
        self._writer.write(self._http.send(head) or b"")
        await self._writer.drain()

    async def piece(self, content: bytes) -> None:
        """Send a piece of the body."""
        self._writer.write(self._http.send(h11.Data(data=content)) or b"")
        await self._writer.drain()

    async def end(self) -> None:
        """Say that the body is whole."""
        self._writer.write(self._http.send(h11.EndOfMessage()) or b"")
        await self._writer.drain()

    def hang_up(self) -> None:
        """End the connection in the middle of whatever it was."""
        self._writer.transport.abort()


Handler = Callable[[Asked, Reply], Awaitable[None]]


class Port:
    """A server on one port; each connection is a task that ends with its caller."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self.port = 0

    @asynccontextmanager
    async def open(self, host: str, port: int) -> AsyncIterator[int]:
        """Listen; return the port."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(self._connected, host, port)
        try:
            self.port = server.sockets[0].getsockname()[1]
            yield self.port
        finally:
            server.close()

    def _connected(self) -> _Caller:
        reader = asyncio.StreamReader(limit=READ)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._serve(reader, writer, caller)

        caller = _Caller(reader, serve)
        return caller

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, caller: _Caller
    ) -> None:
        http = h11.Connection(h11.SERVER)
        try:
            while (asked := await self._asked(http, reader)) is not None:
                with caller.answered():
                    await self._handler(asked, Reply(http, writer))
                http.start_next_cycle()
        except (OSError, h11.ProtocolError, asyncio.CancelledError):
            pass  # The caller is gone, or was none.
        finally:
            writer.transport.abort()

    async def _asked(self, http: h11.Connection, reader: asyncio.StreamReader) -> Asked | None:
        head: h11.Request | None = None
        body = bytearray()
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                http.receive_data(await reader.read(READ))
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > BODY_MAX:
                    return None
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                path, _, query = head.target.decode("latin-1").partition("?")
                return Asked(head.method.decode(), path, query, bytes(body))
            else:
                return None


class _Caller(asyncio.StreamReaderProtocol):
    """A connection that ends its answer at once when the caller hangs up."""

    _answering: asyncio.Task[None] | None = None

    @contextmanager
    def answered(self) -> Iterator[None]:
        """Note who answers."""
        self._answering = asyncio.current_task()
        try:
            yield
        finally:
            self._answering = None

    def eof_received(self) -> bool:
        """Hear that the caller has no more to say: whoever asks here wants nothing more."""
        self._gone()
        return bool(super().eof_received())

    def connection_lost(self, exc: Exception | None) -> None:
        """Hear that the caller is gone."""
        self._gone()
        super().connection_lost(exc)

    def _gone(self) -> None:
        if self._answering is not None:
            self._answering.cancel()
