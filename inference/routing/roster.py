"""Knows every worker there is, and writes down what this gateway sees of each.

Which pools hold workers is read every two seconds, so that probes find a dead worker before a
caller does. What is seen is written for the control plane, which shows it and offers nothing
that nobody serves. Nothing of this is on the way of a request.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

from inference.contracts.entries import Pool, Worker
from inference.contracts.names import GATEWAYS, POOLS, SIGHTING_S, pool_key, sighting_key
from inference.gate.tables import Found, Tables
from inference.sources.link import Link

EVERY_S = 2.0
POOLS_MAX = 4096
"""More are not looked after unasked."""

Seen = Callable[[str], tuple[bool, float | None, int, str]]
"""Of a worker: whether it is out, when (loop's clock) it last answered, how many run, and what
the last probe came to."""


class Roster:
    """The workers of all pools, as last read. Made inside the loop; ``see`` judges each.

    ``name``: this gateway's.
    """

    def __init__(self, link: Link, tables: Tables, name: str) -> None:
        self._link = link
        self._tables = tables
        self._loop = asyncio.get_running_loop()
        self._name = name
        self._see: Seen | None = None
        self._pools: dict[str, Pool] = {}
        self._timer: asyncio.TimerHandle | None = None

    def start(self, see: Seen) -> None:
        """Begin to look, and to tell."""
        self._see = see
        self._tick()

    def stop(self) -> None:
        """Look no more, and say that this gateway is gone."""
        if self._timer is not None:
            self._timer.cancel()
        self._link.call("ZREM", GATEWAYS, self._name, then=_ignore)

    def workers(self) -> list[Worker]:
        """Return the workers of every pool."""
        return [worker for pool in self._pools.values() for worker in pool.workers]

    def _tick(self) -> None:
        self._timer = self._loop.call_later(EVERY_S, self._tick)
        if self._link.is_up:
            self._link.call("SMEMBERS", POOLS, then=self._on_names)
            self._tell()

    def _on_names(self, reply: Any) -> None:
        if isinstance(reply, Exception):
            return  # What was known stays so.
        keys = sorted(pool_key(name.decode()) for name in reply)[:POOLS_MAX]
        self._tables.resolve(keys, self._on_pools)

    def _on_pools(self, found: Found, sure: bool) -> None:
        if sure:
            pools = {key: thing for key, thing in found.items() if isinstance(thing, Pool)}
            self._pools = {key: pool for key, pool in pools.items() if not pool.gone}

    def _tell(self) -> None:
        now, see = time.time(), self._see
        if see is None:
            return
        ahead = now - self._loop.time()
        said = {}
        for worker in self.workers():
            is_out, answered_at, running, heard = see(worker.worker_id)
            at = None if answered_at is None else round(answered_at + ahead, 3)
            said[worker.worker_id] = [is_out, at, running, heard]
        call, key = self._link.call, sighting_key(self._name)
        call("SET", key, json.dumps(said), "EX", int(SIGHTING_S), then=_ignore)
        call("ZADD", GATEWAYS, now, self._name, then=_ignore)
        call("ZREMRANGEBYSCORE", GATEWAYS, "-inf", now - 4 * SIGHTING_S, then=_ignore)


def _ignore(_reply: Any) -> None:
    """Nothing: it is said again in a moment."""
