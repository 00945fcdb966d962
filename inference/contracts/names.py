"""The names under which things lie in Valkey, for both planes."""

from __future__ import annotations

import zlib

CHANGES = "xt:changes"
"""Pub/sub channel: ``{"key": "grant:…", "version": 7}`` for every entry that was written."""

SIGHT = "xt:sight"
"""Pub/sub channel: what gateways have where, for each other (``inference.routing.sight``)."""

SHARDS = 64
"""Hash tags ``{s0}`` … ``{s63}``: all hot keys of a project share one, so one function
can touch them all in a cluster too."""


def grant_key(digest: str) -> str:
    """Name the entry of a key's digest."""
    return f"grant:{digest}"


def route_key(project: str, slug: str) -> str:
    """Name the entry of an endpoint."""
    return f"route:{project}/{slug}"


def pool_key(name: str) -> str:
    """Name the entry of a pool of workers."""
    return f"pool:{name}"


OWN = "own/"
"""How the names of pools begin that serve one project only."""

POOLS = "pools"
"""Set of the names of all pools that hold workers: what gateways look after unasked."""


GATEWAYS = "gateways"
"""Sorted set of the gateways that live, by when they last said so (Unix seconds)."""

SIGHTING_S = 15.0
"""How long what a gateway said of its workers is believed."""

ALIVE_S = 10.0
"""After so long without a word (it says one every two seconds) agents no longer look for it."""


def sighting_key(gateway: str) -> str:
    """Name what a gateway sees of its workers.

    JSON, a worker's id each: whether it is out, when it last answered (Unix seconds or
    null), and how many of this gateway's requests it runs.
    """
    return f"sighting:{gateway}"


def agent_key(agent: str) -> str:
    """Name the entry of an agent."""
    return f"agent:{agent}"


LINKS = "links"
"""Sorted set of the links of agents (``link_member``), by when seen last (Unix seconds)."""


def link_key(agent: str, gateway: str) -> str:
    """Name what a gateway wrote of its link to an agent (``agents.LinkReport``)."""
    return f"link:{link_member(agent, gateway)}"


def link_member(agent: str, gateway: str) -> str:
    """Name a link among ``LINKS``."""
    return f"{agent}:{gateway}"


def shared_pool(tier: str, model: str) -> str:
    """Name the pool of the workers that carry a tier and serve a model, for everyone."""
    return f"shared/{tier}/{model}"


def own_pool(project: str, model: str) -> str:
    """Name the pool of a project's own workers of a model."""
    return f"{OWN}{project}/{model}"


def shard_tag(project: str) -> str:
    """Return the hash tag of a project, braces included. Stable for ever: data lies under it."""
    return tag_of(zlib.crc32(project.encode()) % SHARDS)


def tag_of(shard: int) -> str:
    """Return the hash tag of a shard (0 … 63), braces included."""
    return f"{{s{shard}}}"


def usage_stream(shard: int) -> str:
    """Name the stream of usage events of one shard (0 … 63)."""
    return f"{{s{shard}}}:usage"


def usage_watermark(shard: int) -> str:
    """Name the entry that says up to which id PostgreSQL has a shard's usage stream."""
    return f"{{s{shard}}}:usage:done"
