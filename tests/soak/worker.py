"""A worker that never fails: it answers at the pace of a small model, and counts who left."""

from __future__ import annotations

import asyncio

from tests.plane.workers import DONE, SSE_END, SSE_HEAD, answer, chunk, completion, delta

FIRST_BYTE_S = 0.03
EVERY_S = 0.01
EVENTS = 20
READ_MAX = 4 * 1024 * 1024
PLAIN = answer(completion())
EVENT = chunk(delta("word"))


class Worker:
    """An OpenAI-compatible server. ``left``: answers that nobody waited for any more.

    ``answered`` counts requests, not the probes that ask whether it is there.
    """

    def __init__(self) -> None:
        self.open = self.answered = self.left = 0
        self._server: asyncio.Server

    async def start(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=READ_MAX)
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def port(self) -> int:
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def stop(self) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            while True:
                body = await _read(reader)
                await self._answer(body, writer)
                self.answered += bool(body)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open -= 1
            writer.transport.abort()

    async def _answer(self, body: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(FIRST_BYTE_S)
        if b'"stream": true' not in body:
            await self._say(writer, PLAIN)
            return
        await self._say(writer, SSE_HEAD)
        for _ in range(EVENTS):
            await self._say(writer, EVENT)
            await asyncio.sleep(EVERY_S)
        await self._say(writer, chunk(DONE) + SSE_END)

    async def _say(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        if writer.transport.is_closing():
            self.left += 1
            raise ConnectionResetError
        writer.write(data)
        await writer.drain()


async def _read(reader: asyncio.StreamReader) -> bytes:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    _, found, rest = head.partition(b"content-length:")
    if head.startswith(b"get "):
        return b""
    if found:
        return await reader.readexactly(int(rest.partition(b"\r\n")[0]))
    body = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readexactly(2)
    return body
