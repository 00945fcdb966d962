"""How this gateway asks agents whose link is at another: the parts put together with Valkey.

Each gateway writes with its links where others ask it (``agents.LinkReport``). Once a second this
one reads what the others wrote of agents that it has no link to that takes work; where it has
one to each, or is alone, nothing is read. On the way of a request nothing is asked of anybody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from inference.contracts.agents import load_report
from inference.contracts.names import LINKS, link_key
from inference.exchange.config import PlaneConfig
from inference.fleet.hop.directory import Directory, Place, place_of
from inference.fleet.hop.host import HopHost, is_reachable
from inference.fleet.hop.proof import Keys
from inference.fleet.hop.transport import HopTransport
from inference.fleet.tunnel.transport import TunnelTransport
from inference.gateway.agents import Agents
from inference.sources.link import Link
from inference.telemetry.metrics import Json

EVERY_S = 1.0
PLACES_PER_AGENT = 2
PLACES_MAX = 2048
"""Links whose reports are read at a time."""


class Hops:
    """See the module. Made inside the loop; ``name``: this gateway's, ``say`` writes to the log."""

    def __init__(
        self, valkey: Link, name: str, config: PlaneConfig, agents: Agents, say: Callable[..., None]
    ) -> None:
        loop = asyncio.get_running_loop()
        keys = Keys(config.keyring)
        self._valkey = valkey
        self._name = name
        self._where = config.hop if keys.are_there else ""
        self._home = config.home
        self._say = say
        self._agents = agents
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._has_looked = asyncio.Event()
        self._is_looking = False
        self._directory = Directory(loop.time, Random())  # noqa: S311 - spreads work, hides nothing
        self.transport = HopTransport(self._directory, keys)
        self.host = HopHost(
            name,
            keys,
            TunnelTransport(agents.links),
            lambda: agents.tunnel.is_leaving,
            config.bounds.body_bytes,
        )

    async def start(self) -> None:
        """Listen, and look around once, waiting a moment for what there is."""
        if not self._where:
            return
        try:
            self._agents.hop = await self.host.open(self._where, self._home)
        except OSError as fault:
            self._say("hop_not_open", "warning", where=self._where, reason=str(fault))
        self._look()
        self._timer = self._loop.call_later(EVERY_S, self._turn)
        if self._valkey.is_up:
            try:
                await asyncio.wait_for(self._has_looked.wait(), EVERY_S)
            except TimeoutError:
                self._say("hops_unknown", "warning", reason="Valkey did not answer in time")

    def stop(self) -> None:
        """Look no more, and listen no more."""
        if self._timer is not None:
            self._timer.cancel()
        self.host.close()

    def counts(self) -> Json:
        """Return what was counted, by labels as ``scrape`` reads them."""
        asked = {"asked": self.transport.connections().made, "served": self.host.served}
        return {"hops": asked, "hops_refused": dict(self.host.refused)}

    # ── What others wrote ──────────────────────────────────────────────────────────────

    def _turn(self) -> None:
        self._timer = self._loop.call_later(EVERY_S, self._turn)
        if self._agents.links.gateways > 1:
            self._look()

    def _look(self) -> None:
        if self._valkey.is_up and not self._is_looking:
            self._is_looking = True
            self._valkey.call("ZRANGE", LINKS, 0, -1, then=self._on_links)

    def _on_links(self, reply: Any) -> None:
        members = [] if isinstance(reply, Exception) else [each.decode() for each in reply]
        wanted = list(self._wanted(members))
        if not wanted:
            if not isinstance(reply, Exception):  # Else what was known stays so.
                self._directory.replace([])
            self._looked()
            return
        keys = [link_key(agent, gateway) for agent, gateway in wanted]
        self._valkey.call("MGET", *keys, then=lambda found: self._on_reports(wanted, found))

    def _wanted(self, members: list[str]) -> Iterator[tuple[str, str]]:
        """Name links of others to agents that have none here that takes work."""
        seen: dict[str, int] = {}
        for member in members[::-1]:  # Those heard last come first.
            agent, _, gateway = member.partition(":")
            has_one = gateway == self._name or self._agents.links.best(agent) is not None
            if has_one or seen.get(agent, 0) >= PLACES_PER_AGENT:
                continue
            seen[agent] = seen.get(agent, 0) + 1
            yield agent, gateway
            if sum(seen.values()) >= PLACES_MAX:
                return

    def _on_reports(self, wanted: list[tuple[str, str]], reply: Any) -> None:
        if not isinstance(reply, Exception):
            found = zip(wanted, reply, strict=True)
            places = [_read(agent, text) for (agent, _), text in found if text is not None]
            self._directory.replace(place for place in places if place is not None)
        self._looked()

    def _looked(self) -> None:
        self._is_looking = False
        self._has_looked.set()


def _read(agent: str, text: bytes) -> Place | None:
    try:
        place = place_of(agent, load_report(text))
    except (AttributeError, KeyError, TypeError, ValueError):
        return None  # Of another version: nobody knows what it says.
    return place if place is not None and is_reachable(place.address) else None
