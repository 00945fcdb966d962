"""The control plane's part: usage is taken from Valkey as it comes, and compared at the end."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import redis

from inference.contracts.events import EVENT_FIELD
from inference.contracts.names import shard_tag, usage_stream, usage_watermark
from tests.plane.world import PROJECT, TERMS
from tests.soak.callers import Tally

TAG = shard_tag(PROJECT)
SHARD = int(TAG.strip("{}s"))
HELD = ("held", f"ah:{TERMS.tier}")
"""Fields of an account: money, and tokens of the monthly allowance."""


class Ledger:
    """What was used, by the caller's name for it. ``endings``: of every request, counted."""

    def __init__(self, valkey: redis.Redis) -> None:
        self._valkey = valkey
        self.endings: Counter[str] = Counter()
        self._ended: dict[str, str] = {}
        self._twice: list[str] = []

    def take(self) -> None:
        """Take in what has arrived, and say that it is kept: journals may then forget it."""
        stream = usage_stream(SHARD)
        entries: Any = self._valkey.xrange(stream, count=5000)
        if not entries:
            return
        for _, fields in entries:
            event = json.loads(fields[EVENT_FIELD])
            name, ending = event["caller_request_id"], event["ending"]
            if name in self._ended:
                self._twice.append(name)
            self._ended[name] = ending
            self.endings[ending] += 1
        self._valkey.xdel(stream, *(entry_id for entry_id, _ in entries))
        self._valkey.set(usage_watermark(SHARD), entries[-1][0])

    def held(self) -> tuple[int, int]:
        """Return how many leases are left, and how much money and tokens are still held."""
        names: Any = self._valkey.keys(f"{TAG}:l:*")
        leases: Any = sum(self._valkey.zcard(name) for name in names)
        account: Any = self._valkey.hgetall(f"{TAG}:p:{PROJECT}")
        held = sum(int(account[name]) for name in account if name in HELD)
        return leases, held

    def faults(self, tally: Tally) -> list[str]:
        """Compare with what the callers know; each difference is a sentence."""
        found = [f"{name} was booked twice" for name in self._twice]
        found += [f"{name} was booked, but nobody asked" for name in {*self._ended} - tally.asked]
        for name in tally.stayed:
            ending = self._ended.get(name, "nothing")
            if ending != "complete":
                found.append(f"{name} had its whole answer and was booked as {ending}")
        for name in {*self._ended} - tally.stayed:
            if self._ended[name] not in ("caller_left", "complete"):
                found.append(f"{name} left and was booked as {self._ended[name]}")
        return found
