"""Scripted workers behind URLs: real sockets, and HTTP on them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from inference.tests.carried import Script, Stage, Turn
from inference.tests.fleets import fleet
from inference.tests.upstream import Line, chunked, upstream


class HttpTurn(Turn):
    """A request on a connection that serves no other."""

    def __init__(self, line: Line) -> None:
        super().__init__()
        self._line = line
        self.gone = line.closed

    async def take(self) -> bytes:
        head, _, body = (await self._line.request()).partition(b"\r\n\r\n")
        return unchunked(body) if b"chunked" in head else body

    async def say(self, *pieces: bytes) -> None:
        if not self.said:
            await self._line.say(chunked(end=b""))
        for piece in pieces:
            await self._line.say(b"%x\r\n%b\r\n" % (len(piece), piece))
            self.said += 1

    async def finish(self) -> None:
        await self._line.say(b"0\r\n\r\n")

    async def break_off(self) -> None:
        self._line.reset()

    async def left(self) -> None:
        await self._line.gone()


def unchunked(raw: bytes) -> bytes:
    """Return the body that is in these chunks."""
    body = b""
    while raw:
        size, _, rest = raw.partition(b"\r\n")
        body += rest[: int(size, 16)]
        raw = rest[int(size, 16) + 2 :]
    return body


@asynccontextmanager
async def carry(script: Script) -> AsyncIterator[Stage]:
    """Reach the worker by its URL."""

    async def serve(line: Line) -> None:
        turn = HttpTurn(line)
        stage.turns.append(turn)
        await script(turn)

    async with upstream(serve) as nobody:
        absent = replace(nobody.worker(), worker_id="w2")
    with fleet() as client:
        async with upstream(serve) as up:
            stage = Stage(client, up.worker(), absent)
            yield stage
