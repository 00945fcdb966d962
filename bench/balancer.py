"""A balancer for benchmarks: one address, gateways in turn, and a note of how each answers first.

It asks the next gateway where one is not there, as balancers do, and so sends an agent to one
that it holds a link to already.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

Note = Callable[[int, int], None]
"""Hears of which gateway (its port) answered, and with what status."""


class Balancer:
    """See the module."""

    def __init__(self, ports: Sequence[int], note: Note) -> None:
        self._ports, self._note = ports, note
        self._turn = itertools.count()

    async def start(self) -> int:
        """Listen; return the port."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Outer(self), "127.0.0.1", 0, backlog=4096)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def join(self, outer: _Outer) -> None:
        """Give a connection that came in its other half."""
        loop = asyncio.get_running_loop()
        first = next(self._turn) % len(self._ports)
        for port in (*self._ports[first:], *self._ports[:first]):
            with suppress(OSError):
                await loop.create_connection(
                    lambda port=port: _Inner(outer, port, self._note),  # type: ignore[misc] # why: bound per turn
                    "127.0.0.1",
                    port,
                )
                return
        outer.abort()


class _Half(asyncio.Protocol):
    """One of two connections: what comes here goes out there, and they end together."""

    def __init__(self) -> None:
        self.other: _Half | None = None
        self.wire: Any = None
        self._kept: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.wire = transport

    def data_received(self, data: bytes) -> None:
        if self.other is None or self.other.wire is None:
            self._kept.append(data)
        else:
            self.other.wire.write(data)

    def meet(self, other: _Half) -> None:
        """Pass on what has come, and what comes."""
        self.other, other.other = other, self
        if other.wire is not None:
            other.wire.writelines(self._kept)

    def abort(self) -> None:
        """End at once."""
        if self.wire is not None:
            self.wire.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.other is not None:
            self.other.abort()


class _Outer(_Half):
    """The caller's connection."""

    def __init__(self, balancer: Balancer) -> None:
        super().__init__()
        self._balancer = balancer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._joining = asyncio.ensure_future(self._balancer.join(self))


class _Inner(_Half):
    """The connection to a gateway."""

    def __init__(self, outer: _Outer, port: int, note: Note) -> None:
        super().__init__()
        self._outer, self._port, self._note = outer, port, note
        self._is_first = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._outer.meet(self)
        if self._outer.wire is None or self._outer.wire.is_closing():
            self.abort()

    def data_received(self, data: bytes) -> None:
        if self._is_first:
            self._is_first = False
            self._note(self._port, int(data[9:12]))
        super().data_received(data)
