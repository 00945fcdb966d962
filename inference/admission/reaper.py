"""Settles the requests of gateways that are gone, as estimated, when their leases run out.

Every gateway can; a lock in Valkey says who does. It begins two lease times after Valkey, or
the way to it, came back: until then a lease that ran out says nothing about its gateway.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from typing import Any, Final

from inference.admission.commands import LEASE_S
from inference.contracts.functions import LIBRARY
from inference.contracts.names import SHARDS
from inference.sources.link import Link

LOCK_KEY: Final = "xt:reaper"
EVERY_S: Final = LEASE_S / 3
LOCK_MS: Final = int(EVERY_S * 3000)
AT_ONCE: Final = 200


class Reaper:
    """See the module. ``now`` is the loop's clock."""

    def __init__(self, link: Link, now: Callable[[], float], lease_s: float = LEASE_S) -> None:
        self._link = link
        self._now = now
        self._lease_s = lease_s
        self._name = uuid.uuid4().hex
        self._begins_at = float("inf")
        self._next_at = 0.0
        self.reaped = 0

    def came_up(self) -> None:
        """Learn that the link came up: the way to Valkey was cut for us, and perhaps for all."""
        self._begins_at = self._now() + 2 * self._lease_s

    async def turn(self) -> None:
        """Reap what is due, if it is time and nobody else does."""
        now = self._now()
        if now < self._begins_at or now < self._next_at or not self._link.is_up:
            return
        self._next_at = now + EVERY_S
        if await self._ask("SET", LOCK_KEY, self._name, "NX", "PX", LOCK_MS, "GET") in (
            None,
            self._name.encode(),
        ):
            await self._ask("PEXPIRE", LOCK_KEY, LOCK_MS)
            await self._reap()

    async def _reap(self) -> None:
        calls = [
            ("FCALL", f"{LIBRARY}_reap", 1, f"{{s{shard}}}", AT_ONCE) for shard in range(SHARDS)
        ]
        counts = await asyncio.gather(*(self._ask(*call) for call in calls))
        self.reaped += sum(count for count in counts if isinstance(count, int))
        if AT_ONCE in counts:
            self._next_at = 0.0

    def _ask(self, *parts: str | int) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def on_reply(reply: Any) -> None:
            if not future.done():
                future.set_result(reply)

        self._link.call(*parts, then=on_reply)
        return future
