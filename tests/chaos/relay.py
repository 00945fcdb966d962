"""What stands before an agent: the platform's one address, and the way there, which can be cut.

Links go to the gateways in turn, as a balancer hands them out; all else to the control plane.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from contextlib import suppress

PIECE = 2**16
HEAD_S = 10.0


class Relay:
    """The address that one agent knows."""

    def __init__(self, host: str, gateways: Sequence[int], control: int) -> None:
        self.host, self.port = host, 0
        self._gateways, self._control = gateways, control
        self._turn = itertools.count()
        self._open: set[asyncio.StreamWriter] = set()
        self._passes = asyncio.Event()
        self._passes.set()

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, self.host, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def close_links(self) -> None:
        """End what is open, as a machine between does that forgot all it knew."""
        for writer in tuple(self._open):
            writer.transport.abort()

    def hold(self) -> None:
        """Let nothing pass any more, and say so to nobody."""
        self._passes.clear()

    def let_pass(self) -> None:
        """Let it pass again."""
        self._passes.set()

    def stop(self) -> None:
        """Listen no more, and end what is open."""
        self._server.close()
        self.let_pass()
        self.close_links()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            async with asyncio.timeout(HEAD_S):
                head = await reader.readuntil(b"\r\n\r\n")
            inner = await self._dial(is_link=b"/agents/v1/tunnel" in head.partition(b"\r\n")[0])
            await self._join(head, (reader, writer), inner)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass  # Either end may go away at any time: that is what this is for.
        finally:
            self._open.discard(writer)
            writer.transport.abort()

    async def _dial(self, *, is_link: bool) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        ports = [self._control]
        if is_link:
            first = next(self._turn) % len(self._gateways)
            ports = [*self._gateways[first:], *self._gateways[:first]]
        for port in ports:
            with suppress(OSError):
                return await asyncio.open_connection("127.0.0.1", port)
        raise ConnectionError("nobody is there")

    async def _join(
        self,
        head: bytes,
        outer: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        inner: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self._open.add(inner[1])
        try:
            inner[1].write(head)
            ways = [self._pump(outer[0], inner[1]), self._pump(inner[0], outer[1])]
            tasks = [asyncio.ensure_future(way) for way in ways]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            self._open.discard(inner[1])
            inner[1].close()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(PIECE):
            await self._passes.wait()
            sink.write(data)
            await sink.drain()
