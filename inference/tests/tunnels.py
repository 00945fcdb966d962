"""A gateway's end of the tunnel behind a socket of its own, without the rest of the gateway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

from inference.contracts.entries import Worker
from inference.fleet.tunnel.config import TunnelConfig
from inference.fleet.tunnel.link import Link
from inference.fleet.tunnel.links import Links, Told
from inference.fleet.tunnel.trust import Trust
from inference.fleet.tunnel.tunnel import Tunnel
from inference.http.lines import Headers
from inference.http.problems import Refused
from inference.tests.fleets import until
from inference.tests.identities import NOW, Platform


@dataclass
class Heard:
    """What is told of links."""

    up: list[Link] = field(default_factory=list)
    said: list[Link] = field(default_factory=list)
    left: list[tuple[int, str]] = field(default_factory=list)

    def told(self) -> Told:
        return Told(self.up.append, self.said.append, lambda _, *why: self.left.append(why))


class Doorkeeper(asyncio.Protocol):
    """Reads one head, and lets its connection in as the edge would."""

    def __init__(self, tunnel: Tunnel, transports: list[asyncio.Transport]) -> None:
        self._tunnel = tunnel
        self._transports = transports
        self._seen = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transports.append(self._transport)

    def data_received(self, data: bytes) -> None:
        self._seen += data
        if b"\r\n\r\n" not in self._seen:
            return
        transport = self._transport
        try:
            greeting = self._tunnel.answer(headers_of(self._seen))
        except Refused as refusal:
            transport.write(b"HTTP/1.1 %d No\r\ncontent-length: 0\r\n\r\n" % refusal.status)
            transport.close()
            return
        transport.write(greeting)
        self._tunnel.enter(transport, "127.0.0.1")


def headers_of(head: bytes) -> Headers:
    lines = head.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    pairs = [line.partition(b": ") for line in lines]
    return [(name.lower(), value) for name, _, value in pairs]


@dataclass
class Gate:
    """See the module."""

    tunnel: Tunnel
    platform: Platform
    heard: Heard
    url: str
    address: tuple[str, int] = ("", 0)
    transports: list[asyncio.Transport] = field(default_factory=list)

    def unsent(self) -> int:
        """Return how many bytes wait in our own transports."""
        return sum(transport.get_write_buffer_size() for transport in self.transports)

    @property
    def links(self) -> Links:
        return self.tunnel.links


@asynccontextmanager
async def gate(config: TunnelConfig | None = None) -> AsyncIterator[Gate]:
    """Open one for a block."""
    loop, platform, heard = asyncio.get_running_loop(), Platform(), Heard()
    trust = Trust(platform.resolve, lambda: NOW)
    config = config or TunnelConfig()
    links = Links("gtw_1", trust, heard.told(), config, loop.time, lambda: NOW)
    tunnel = Tunnel(links)
    tunnel.start()
    transports: list[asyncio.Transport] = []
    server = await loop.create_server(lambda: Doorkeeper(tunnel, transports), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    url = f"ws://127.0.0.1:{port}/agents/v1/tunnel"
    try:
        yield Gate(tunnel, platform, heard, url, ("127.0.0.1", port), transports)
    finally:
        tunnel.stop()
        links.close(1012, "the test is over")
        server.close()
        await until(lambda: not len(links))


def agent_worker(worker_id: str, agent: str, served_name: str = "mock") -> Worker:
    """Return a worker whose address is an agent."""
    operations = ("chat/completions",)
    return Worker(worker_id, "", "mock", operations, agent=agent, served_name=served_name)
