"""The links of all agents to this process, and which of them has a request (connection table).

An agent may have several: one for each time it was started, and for a moment two of the same
start, when it dialled anew before the old one was known to be dead. The least busy one that
takes work has the next request.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from inference.contracts.agents import AgentEntry
from inference.fleet.tunnel import closing
from inference.fleet.tunnel.config import TunnelConfig
from inference.fleet.tunnel.counts import Counts
from inference.fleet.tunnel.link import Keeper, Link
from inference.fleet.tunnel.messages import ServedModel
from inference.fleet.tunnel.trust import Trust
from inference.fleet.tunnel.windows import Room
from inference.fleet.tunnel.wire import Wire

NONCE_BYTES = 32
SPREAD_LEAST_S = 1.0


@dataclass
class Told:
    """Who hears of links: that one is up, what its agent says, that one has ended, and why."""

    up: Callable[[Link], None]
    said: Callable[[Link], None]
    left: Callable[[Link, int, str], None]


class Links(Keeper):
    """See the module. ``gateways``: how many of them live, as far as this one knows."""

    def __init__(
        self,
        gateway: str,
        trust: Trust,
        told: Told,
        config: TunnelConfig,
        now: Callable[[], float],
        clock: Callable[[], float],
    ) -> None:
        self.gateway = gateway
        self.trust = trust
        self.config = config
        self.now = now
        self.clock = clock
        self.counts = Counts()
        self.room = Room(config.process_windows)
        self.gateways = 1
        self._told = told
        self._all: dict[str, Link] = {}
        self._of_agent: dict[str, list[Link]] = {}
        self._ticked_at = now()
        self._was_away = False

    def __len__(self) -> int:
        """Return how many there are, those included that have not said who they are."""
        return len(self._all)

    def make(self, wire: Wire, peer: str) -> Link:
        """Return the link of a connection that was just made."""
        name = f"lnk_{secrets.token_hex(8)}"
        link = self._all[name] = Link(self, wire, name, secrets.token_bytes(NONCE_BYTES), peer)
        self.counts.opened += 1
        return link

    # ── Asking ─────────────────────────────────────────────────────────────────────────

    def agents(self) -> list[str]:
        """Name the agents that have a link here."""
        return list(self._of_agent)

    def of_agent(self, agent: str) -> list[Link]:
        """Return the links of an agent."""
        return self._of_agent.get(agent, [])

    def every(self) -> list[Link]:
        """Return those whose agent is known."""
        return [link for links in self._of_agent.values() for link in links]

    def best(self, agent: str) -> Link | None:
        """Return the link of an agent that should have the next request; none if none takes it."""
        now, best = self.now(), None
        for link in self._of_agent.get(agent, ()):
            if link.takes_work(now) and (best is None or len(link.streams) < len(best.streams)):
                best = link
        return best

    def served(self, agent: str, name: str) -> ServedModel | None:
        """Return what an agent said last of a model; where it has but one, any name is its."""
        link = self.best(agent)
        if link is None or link.said is None:
            return None
        models = link.said.models
        if not name:
            return models[0] if len(models) == 1 else None
        return next((model for model in models if model.name == name), None)

    def is_full(self, agent: str) -> bool:
        """Say whether a machine has no free place: by what we have there, or by what it says."""
        link = self.best(agent)
        if link is None or link.said is None or not link.said.slots:
            return False
        ours = sum(len(each.streams) for each in self.of_agent(agent))
        return max(ours, link.said.running) >= link.said.slots

    # ── Looking after them ─────────────────────────────────────────────────────────────

    def tick(self) -> None:
        """See what lasted too long. When we were away ourselves, what came lies unread: once."""
        now = self.now()
        late_s, self._ticked_at = now - self._ticked_at, now
        self._was_away = late_s > self.config.suspect_s / 4 and not self._was_away
        if not self._was_away:
            for link in list(self._all.values()):
                link.tick(now)

    def heed(self, agent: str, verdict: str, entry: AgentEntry | None) -> None:
        """Tell the links of an agent what is published of it now."""
        for link in list(self.of_agent(agent)):
            link.heed(verdict, entry)

    def drain(self, reason: str) -> None:
        """Ask every agent to go elsewhere, spread so that nobody is flooded."""
        spread_s = max(SPREAD_LEAST_S, len(self._all) / self.config.links_per_s)
        for link in self.every():
            link.drain(reason, spread_s)

    def close(self, code: int, reason: str) -> None:
        """End all of them."""
        for link in list(self._all.values()):
            link.close(code, reason)

    # ── What links say ─────────────────────────────────────────────────────────────────

    def admit(self, link: Link) -> tuple[int, str]:
        """Let a link of a known agent in; a close code and words if that is not to be."""
        links = self._of_agent.get(link.entry.agent, [])
        twins = [other for other in links if other.hello.boot == link.hello.boot]
        if any(other.hello.epoch >= link.hello.epoch for other in twins):
            return closing.REPLACED, "this gateway has a link of that start already"
        if len(links) - len(twins) >= self.config.links_per_agent:
            return closing.OVERLOADED, "too many links of one agent"
        for other in twins:
            other.is_replaced = True
        self._of_agent[link.entry.agent] = [*links, link]
        self._told.up(link)
        return 0, ""

    def said(self, link: Link) -> None:
        """Learn that an agent has said how it is."""
        self._told.said(link)

    def left(self, link: Link, code: int, reason: str) -> None:
        """Learn that a link has ended."""
        if self._all.pop(link.name, None) is None:
            return
        self.counts.close(code)
        agent = link.entry.agent if link.is_known else ""
        rest = [other for other in self._of_agent.get(agent, []) if other is not link]
        if rest:
            self._of_agent[agent] = rest
        else:
            self._of_agent.pop(agent, None)
        self._told.left(link, code, reason)
