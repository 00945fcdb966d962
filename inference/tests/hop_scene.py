"""Two gateways for tests of the hop: one has the agents' links, the other asks by way of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random

from inference.fleet.fleet import Fleet
from inference.fleet.hop.directory import Directory, Place
from inference.fleet.hop.host import HERE, HopHost
from inference.fleet.hop.proof import Keys
from inference.fleet.hop.transport import HopTransport
from inference.fleet.ports import Transport
from inference.fleet.tunnel.config import TunnelConfig
from inference.fleet.tunnel.links import Links, Told
from inference.fleet.tunnel.transport import TunnelTransport
from inference.fleet.tunnel.trust import Trust
from inference.tests.identities import NOW, Platform

RING = ("a key of the platform",)
BODY_MAX = 64 * 1024 * 1024


@dataclass
class Asking:
    """The gateway without a link. ``fleet`` is what its router asks."""

    directory: Directory
    hops: HopTransport
    fleet: Fleet
    links: Links


def asking(keys: Keys | None = None) -> Asking:
    """Make one that knows of no other gateway yet."""
    loop, platform = asyncio.get_running_loop(), Platform()
    directory = Directory(loop.time, Random(7))
    hops = HopTransport(directory, keys or Keys(RING))
    told = Told(lambda _: None, lambda _: None, lambda *_: None)
    trust = Trust(platform.resolve, lambda: NOW)
    links = Links("gtw_a", trust, told, TunnelConfig(), loop.time, lambda: NOW)
    return Asking(directory, hops, Fleet([TunnelTransport(links, hops)]), links)


def place(address: str, agent: str = "agt_1", gateway: str = "gtw_1", **models: int) -> Place:
    """Say that a gateway has a link."""
    return Place(agent, gateway, address, models or {"mock": 0})


@dataclass
class Answering:
    """The gateway with the links."""

    host: HopHost
    address: str
    leaving: list[bool] = field(default_factory=list)


@asynccontextmanager
async def answering(
    links: Transport, *, name: str = "gtw_1", keys: Keys | None = None, where: str = HERE
) -> AsyncIterator[Answering]:
    """Open its listener for a block."""
    leaving: list[bool] = []
    host = HopHost(name, keys or Keys(RING), links, lambda: bool(leaving), BODY_MAX)
    try:
        yield Answering(host, await host.open(where), leaving)
    finally:
        host.close()
        for _ in range(3):  # What was closed at either end hears of it.
            await asyncio.sleep(0)
