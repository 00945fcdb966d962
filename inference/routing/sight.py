"""Sight (shared load state): what this gateway has where, for the others, and what they have.

Gateways that do not know of each other lose ten points of what they could keep (docs/routing.md).
So each says every twentieth of a second what changed: per worker its requests, backlog and
importance, and which prefixes it sent there. What one says is believed for five seconds, less and
less; a gateway that is silent has nothing. One's own part is never taken from the wire.
"""

from __future__ import annotations

import json
from typing import Any, Final

import msgspec

from inference.routing.elsewhere import Elsewhere
from inference.routing.memories import News
from inference.routing.state import State

EVERY_S: Final = 0.05
REPEAT_US: Final = 1_000_000
"""What has not changed is said again so often, because it fades."""
HASHES_MAX: Final = 400
"""Hashes of prefixes in one message: 8 KiB. The newest go first, what is left is not told."""

Json = dict[str, Any]


class Sight:
    """Tells and hears. ``name``: this gateway's."""

    __slots__ = ("_name", "_said", "_said_all_us", "_state")

    def __init__(self, state: State, name: str) -> None:
        state.memories.news = []
        self._state = state
        self._name = name
        self._said: dict[str, tuple[int, int, int]] = {}
        self._said_all_us = 0

    def tell(self, now_us: int) -> bytes | None:
        """Return what others should hear now; none if there is nothing new."""
        loads = self._loads(now_us)
        placed = self._placed()
        if not loads and not placed:
            return None
        return msgspec.json.encode({"gateway": self._name, "loads": loads, "placed": placed})

    def hear(self, now_us: int, text: bytes) -> None:
        """Take what a gateway told. What is no such message is left alone."""
        try:
            said = json.loads(text)
            if said["gateway"] == self._name:
                return
            self._hear(now_us, said)
        except (ValueError, TypeError, KeyError, AttributeError):
            return

    def _hear(self, now_us: int, said: Json) -> None:
        state, gateway = self._state, str(said["gateway"])
        for worker_id, (in_flight, backlog, importance) in said["loads"].items():
            state.elsewhere.hear(
                gateway, worker_id, now_us, (int(in_flight), int(backlog), int(importance))
            )
        for model, worker_id, project, begin, hashes in said["placed"]:
            news = str(model), str(worker_id), str(project), int(begin), list(hashes)
            state.memories.hear(news)

    def _loads(self, now_us: int) -> dict[str, tuple[int, int, int]]:
        """Return what changed, and now and then all that is not nothing."""
        repeats = now_us - self._said_all_us >= REPEAT_US
        if repeats:
            self._said_all_us = now_us
        loads = {}
        for worker_id, load in self._state.loads():
            before = self._said.get(worker_id, Elsewhere.NOTHING)
            if load != before or (repeats and load != Elsewhere.NOTHING):
                loads[worker_id] = load
        self._said = self._said | loads
        return loads

    def _placed(self) -> list[News]:
        memories = self._state.memories
        news, memories.news = memories.news or [], []
        told: list[News] = []
        left = HASHES_MAX
        for one in reversed(news):
            left -= len(one[4])
            if left < 0:
                break
            told.append(one)
        return told
