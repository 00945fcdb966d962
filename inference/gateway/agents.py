"""The agents of this gateway: their links put together with Valkey, the log and the clock.

What is published of an agent is heeded at once: a revoked one is cut, a suspended one is told.
What agents say of themselves is written where the control plane reads it (leases), once a
second for those that have news and every few seconds for the rest.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from inference.contracts.agents import LINK_S, LinkReport, dump
from inference.contracts.names import ALIVE_S, GATEWAYS, LINKS, agent_key, link_key, link_member
from inference.exchange.config import PlaneConfig
from inference.fleet.ports import Transport
from inference.fleet.tunnel.closing import DONE, LOST, REPLACED, RESTART
from inference.fleet.tunnel.config import TunnelConfig
from inference.fleet.tunnel.link import Link as AgentLink
from inference.fleet.tunnel.links import Links, Told
from inference.fleet.tunnel.messages import as_plain
from inference.fleet.tunnel.transport import TunnelTransport
from inference.fleet.tunnel.trust import UNSURE, Trust
from inference.fleet.tunnel.tunnel import Tunnel
from inference.gate.tables import Tables
from inference.sources.link import Link
from inference.telemetry.metrics import Json

EVERY_S = 1.0
WRITE_EVERY_S = 3.0
STRANGERS_EVERY_S = 1.0
ORDERLY = (DONE, RESTART, REPLACED)
UNREMARKABLE = (*ORDERLY, LOST)
"""How those leave who found that they have a link to this gateway."""
_PREFIX = agent_key("")


class Agents:
    """See the module. Made inside the loop. ``name``: this gateway's; ``say`` writes to the log."""

    def __init__(
        self, link: Link, tables: Tables, name: str, config: PlaneConfig, say: Callable[..., None]
    ) -> None:
        self._valkey = link
        self._name = name
        self._say = say
        self._loop = asyncio.get_running_loop()
        self._changed: set[str] = set()
        self._is_unsure = self._is_looking_soon = False
        self._news: set[str] = set()
        self._written_at: dict[str, float] = {}
        self._told_at = -STRANGERS_EVERY_S
        self._timer: asyncio.TimerHandle | None = None
        self._trust = Trust(tables.resolve, time.time)
        told = Told(self._on_up, self._on_said, self._on_left)
        numbers = TunnelConfig(grace_s=config.waits.grace_s, outage_s=config.outage_s)
        self.links = Links(name, self._trust, told, numbers, self._loop.time, time.time)
        self.tunnel = Tunnel(self.links)
        self.hop = ""
        """Where other gateways ask this one; empty where they can't."""
        tables.on_change.append(self._note)

    def transport(self, elsewhere: Transport) -> TunnelTransport:
        """Return what asks them; ``elsewhere`` asks those without a link here."""
        return TunnelTransport(self.links, elsewhere)

    def start(self) -> None:
        """Begin."""
        self.tunnel.start()
        self._turn()

    def stop(self) -> None:
        """Look no more."""
        self.tunnel.stop()
        if self._timer is not None:
            self._timer.cancel()

    # ── What is published ──────────────────────────────────────────────────────────────

    def _note(self, name: str) -> None:
        if not name:
            self._is_unsure = True
        elif name.startswith(_PREFIX) and self.links.of_agent(name[len(_PREFIX) :]):
            self._changed.add(name[len(_PREFIX) :])
            if not self._is_looking_soon:  # Not now: the tables still hold what was before.
                self._is_looking_soon = True
                self._loop.call_soon(self._look_again)

    def _look_again(self) -> None:
        self._is_looking_soon = False
        changed, self._changed = self._changed, set()
        for agent in changed:
            self._look_at(agent)

    def _look_at(self, agent: str) -> None:
        def on_entry(verdict: str, entry: Any) -> None:
            if verdict == UNSURE:
                self._changed.add(agent)  # With the next turn.
            else:
                self.links.heed(agent, verdict, entry)

        self._trust.entry_of(agent, on_entry)

    # ── What links say ─────────────────────────────────────────────────────────────────

    def _on_up(self, link: AgentLink) -> None:
        facts = {"agent": link.entry.agent, "link": link.name, "peer": link.peer}
        self._say("agent_link_up", **facts, state=link.entry.state, xim=link.hello.xim)

    def _on_said(self, link: AgentLink) -> None:
        self._news.add(link.entry.agent)

    def _on_left(self, link: AgentLink, code: int, reason: str) -> None:
        agent = link.entry.agent if link.is_known else ""
        if not agent and (code in UNREMARKABLE or not self._may_tell_of_strangers()):
            return
        level = "info" if code in ORDERLY else "warning"
        lived_s = round(time.time() - link.since, 3)
        facts = {"agent": agent, "link": link.name, "peer": link.peer, "lived_s": lived_s}
        self._say("agent_link_down", level, **facts, code=code, reason=reason)
        if agent and not self.links.of_agent(agent):
            self._forget(agent)

    def _may_tell_of_strangers(self) -> bool:
        """Say whether a line about somebody unknown may be written: they could write many."""
        now = self._loop.time()
        if now - self._told_at < STRANGERS_EVERY_S:
            return False
        self._told_at = now
        return True

    # ── What is written ────────────────────────────────────────────────────────────────

    def _turn(self) -> None:
        self._timer = self._loop.call_later(EVERY_S, self._turn)
        if self._is_unsure:
            self._is_unsure = False
            self._changed.update(self.links.agents())
        self._look_again()
        if self._valkey.is_up:
            self._write()
            alive_since = time.time() - ALIVE_S
            self._valkey.call("ZCOUNT", GATEWAYS, alive_since, "+inf", then=self._on_count)

    def _write(self) -> None:
        now, news = self._loop.time(), self._news
        self._news = set()
        for agent in self.links.agents():
            is_old = now - self._written_at.get(agent, -WRITE_EVERY_S) >= WRITE_EVERY_S
            if agent in news or is_old:
                self._written_at[agent] = now
                self._write_one(agent, now)
        forgotten = time.time() - 6 * LINK_S
        self._valkey.call("ZREMRANGEBYSCORE", LINKS, "-inf", forgotten, then=_ignore)

    def _write_one(self, agent: str, now: float) -> None:
        links = self.links.of_agent(agent)
        link = next((each for each in reversed(links) if each.said is not None), links[-1])
        state, facts = ({}, None) if link.said is None else as_plain(link.said, link.facts)
        seen = time.time() - link.pulse.silence_s(now)
        running = sum(len(each.streams) for each in links)
        takes = self.links.best(agent) is not None and not self.tunnel.is_leaving
        known = (self._name, link.since, seen, running, state, facts, link.peer)
        report = LinkReport(*known, hop=self.hop, takes=takes)
        call = self._valkey.call
        call("SET", link_key(agent, self._name), dump(report), "EX", LINK_S, then=_ignore)
        call("ZADD", LINKS, seen, link_member(agent, self._name), then=_ignore)

    def _forget(self, agent: str) -> None:
        self._written_at.pop(agent, None)
        self._valkey.call("DEL", link_key(agent, self._name), then=_ignore)
        self._valkey.call("ZREM", LINKS, link_member(agent, self._name), then=_ignore)

    def _on_count(self, reply: Any) -> None:
        count = self.links.gateways if isinstance(reply, Exception) else max(1, int(reply))
        if count != self.links.gateways:
            self.links.gateways = count
            for link in self.links.every():
                if link.is_up:  # Else its agent dials in vain for one that is gone, or not at all.
                    link.assign()

    # ── Figures ────────────────────────────────────────────────────────────────────────

    def gauges(self) -> dict[str, float]:
        """Return what is open now."""
        links = self.links.every()
        return {
            "agent_links": len(links),
            "agent_streams": sum(len(link.streams) for link in links),
            "agent_windows_bytes": self.links.room.used,
        }

    def counts(self) -> Json:
        """Return what was counted, by labels as ``scrape`` reads them."""
        counts = self.links.counts
        return {
            "agent_links_closed": {str(code): seen for code, seen in counts.closed.items()},
            "agent_resets": {str(code): seen for code, seen in counts.resets.items()},
            "agent_frames_dropped": dict(counts.dropped),
            "agent_bytes": {"in": counts.bytes_in, "out": counts.bytes_out},
        }


def _ignore(_reply: Any) -> None:
    """Nothing: it is said again in a moment, or it ends by itself."""
