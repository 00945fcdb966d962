"""Usage events on their way to the control plane, through Valkey's streams."""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable
from typing import Any

from inference.contracts import EVENT_FIELD, SHARDS, UsageEvent, dump, usage_stream
from inference.sources.link import Link

HELD = 20_000
"""Events kept while Valkey is away: about 15 MB, some minutes of full load."""


class EventStream:
    """Appends each event to the stream of its project's shard; keeps what did not arrive.

    ``lost`` is told, with the event itself, when even memory is full: loudly, and so that the
    log still holds what the ledger will miss.
    """

    def __init__(self, link: Link, lost: Callable[[str], None]) -> None:
        self._link = link
        self._lost = lost
        self._held: deque[tuple[str, str]] = deque()
        self.under_way = 0
        link.on_up.append(self._send_held)

    def put(self, event: UsageEvent) -> None:
        """Take an event; it is under way or held when this returns."""
        shard = zlib.crc32(event.project.encode()) % SHARDS
        self._send(usage_stream(shard), dump(event))

    def __len__(self) -> int:
        """Return how many events wait for Valkey to come back."""
        return len(self._held)

    def _send(self, stream: str, text: str) -> None:
        if not self._link.is_up:
            self._hold(stream, text)
            return
        self.under_way += 1

        def on_reply(reply: Any) -> None:
            self.under_way -= 1
            if isinstance(reply, Exception):
                self._hold(stream, text)

        self._link.call("XADD", stream, "*", EVENT_FIELD, text, then=on_reply)

    def _hold(self, stream: str, text: str) -> None:
        if len(self._held) >= HELD:
            self._lost(self._held.popleft()[1])
        self._held.append((stream, text))

    def _send_held(self) -> None:
        held, self._held = self._held, deque()
        for stream, text in held:
            self._send(stream, text)

    def give_up(self) -> None:
        """Tell of everything that still waits: the process ends."""
        while self._held:
            self._lost(self._held.popleft()[1])
