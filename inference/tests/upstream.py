"""A worker of flesh and bytes: a raw socket server that does exactly what a test scripts.

``async with upstream(script) as server`` listens on loopback; ``script`` is called for each
connection with a ``Line`` and reads and writes whatever it likes. It sees bytes, not HTTP, so
it can be as wrong as a test needs.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from inference.contracts.entries import Worker

PATIENCE_S = 5.0


@dataclass(slots=True)
class Line:
    """One connection as the worker sees it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    number: int
    requests: list[bytes] = field(default_factory=list)
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    async def request(self) -> bytes:
        """Read one whole request, head and body, as it stood on the wire."""
        async with asyncio.timeout(PATIENCE_S):
            head = await self.reader.readuntil(b"\r\n\r\n")
            whole = head + await self._body(head.lower())
        self.requests.append(whole)
        return whole

    async def say(self, *pieces: bytes) -> None:
        """Write pieces, each flushed and given a turn of the loop of its own."""
        for piece in pieces:
            if self.writer.transport.is_closing():  # uvloop raises RuntimeError for this
                raise ConnectionResetError
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(0)

    async def gone(self) -> None:
        """Wait until the other side has closed."""
        with suppress(ConnectionError):
            while await self.reader.read(65536):
                pass
        self.closed.set()

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        socket_ = self.writer.get_extra_info("socket")
        socket_.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def _body(self, head: bytes) -> bytes:
        if b"transfer-encoding: chunked" in head:
            return await self._chunks()
        for line in head.split(b"\r\n"):
            if line.startswith(b"content-length:"):
                return await self.reader.readexactly(int(line.partition(b":")[2]))
        return b""

    async def _chunks(self) -> bytes:
        raw = b""
        while True:
            size = await self.reader.readuntil(b"\r\n")
            chunk = await self.reader.readexactly(int(size, 16) + 2)
            raw += size + chunk
            if size == b"0\r\n":
                return raw


Script = Callable[[Line], Awaitable[None]]


@dataclass(slots=True)
class Upstream:
    """A listening worker and everything that came to it."""

    url: str
    lines: list[Line] = field(default_factory=list)

    def worker(self, worker_id: str = "w1", credential: str = "") -> Worker:
        """Return the contract of this worker."""
        return Worker(worker_id, self.url, "mock", ("chat/completions",), credential)


@asynccontextmanager
async def upstream(
    script: Script, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[Upstream]:
    """Listen while the block runs; connections still open at its end are reset."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = Line(reader, writer, len(here.lines))
        here.lines.append(line)
        running.append(asyncio.current_task())
        try:
            await script(line)
        except (ConnectionError, asyncio.IncompleteReadError):
            line.closed.set()
        except asyncio.CancelledError:
            return  # The block ended; asyncio would log a cancelled handler as a fault.
        finally:
            writer.close()

    here = Upstream("")
    running: list[asyncio.Task[None] | None] = []
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls, limit=1 << 20)
    port = server.sockets[0].getsockname()[1]
    here.url = f"{'https' if tls else 'http'}://{host}:{port}/v1"
    try:
        yield here
    finally:
        server.close()
        for line in here.lines:
            line.writer.transport.abort()
        for task in filter(None, running):
            task.cancel()
        await asyncio.gather(*filter(None, running))


def answer(body: bytes, *, status: bytes = b"200 OK", extra: bytes = b"") -> bytes:
    """Write a whole answer with its length."""
    return b"HTTP/1.1 %b\r\n%bContent-Length: %d\r\n\r\n%b" % (status, extra, len(body), body)


def chunked(*pieces: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    """Write a whole chunked answer."""
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    return head + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + end


def always(*pieces: bytes) -> Script:
    """Answer every request on every connection with the same pieces."""

    async def script(line: Line) -> None:
        while True:
            await line.request()
            await line.say(*pieces)

    return script
