"""Links of agents, as the gateways write them down: a lease each, of ten seconds.

Read by level: what is there now, so nothing is lost while nobody looks. Where Valkey can't be
asked nothing is known, which is no answer: nobody is called gone for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import redis

from agents.sightings import client
from common import clock
from inference.contracts.agents import LINK_S, LinkReport, load_report
from inference.contracts.names import LINKS, link_key

MOST = 1000
"""Reports read at once: each may have some kilobytes."""


def freshest() -> dict[str, LinkReport] | None:
    """Return of every agent that has a link the one heard last; none if Valkey is away."""
    since = clock.now().timestamp() - LINK_S
    try:
        client().zremrangebyscore(LINKS, "-inf", since - LINK_S)
        names: Any = client().zrevrangebyscore(LINKS, "+inf", since)
        found: dict[str, LinkReport] = {}
        for agent, text in _texts(name.decode() for name in names):
            # Of those that were heard earlier nothing is asked: reading them costs the most.
            report = None if agent in found else _read(text)
            if report is not None:
                found[agent] = report
    except redis.RedisError:
        return None
    return found


def of_agents(ids: Iterable[str]) -> dict[str, list[LinkReport]]:
    """Return the links of these agents alone, freshest first; nothing if Valkey is away."""
    wanted = set(ids)
    since = clock.now().timestamp() - LINK_S
    try:
        names: Any = client().zrangebyscore(LINKS, since, "+inf") if wanted else []
        told = (name.decode() for name in names)
        return _by_agent(name for name in told if name.partition(":")[0] in wanted)
    except redis.RedisError:
        return {}


def _by_agent(members: Iterable[str]) -> dict[str, list[LinkReport]]:
    found: dict[str, list[LinkReport]] = {}
    for agent, text in _texts(members):
        report = _read(text)
        if report is not None:
            found.setdefault(agent, []).append(report)
    for reports in found.values():
        reports.sort(key=lambda report: -report.seen)
    return found


def _texts(members: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
    """Yield what is written of links, each with its agent."""
    links = [tuple(member.split(":", 1)) for member in members if ":" in member]
    for begin in range(0, len(links), MOST):
        some = links[begin : begin + MOST]
        texts: Any = client().mget([link_key(agent, gateway) for agent, gateway in some])
        for (agent, _), text in zip(some, texts, strict=True):
            yield agent, text


def _read(text: bytes | None) -> LinkReport | None:
    try:
        return load_report(text) if text else None
    except (ValueError, TypeError):
        return None
