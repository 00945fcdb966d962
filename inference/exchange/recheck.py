"""Requests that run while what let them in is taken back: they end within a second or two.

Nothing of it costs anything per request or per chunk. The tables say which grants and routes
were changed; once a second, if any was, those that run by it are led through the gate again,
as it is now. When messages may have been missed, all of them are.
"""

from __future__ import annotations

import asyncio

from inference.exchange.plane import Plane, Underway
from inference.gate.tables import Found

EVERY_S = 1.0
AT_ONCE = 256
"""Entries that are read together."""


class Recheck:
    """Watches over what runs. Made inside the loop."""

    def __init__(self, plane: Plane) -> None:
        self._plane = plane
        self._changed: set[str] = set()
        self._is_unsure = False
        self._timer: asyncio.TimerHandle | None = None
        plane.tables.on_change.append(self._note)

    def start(self) -> None:
        """Begin."""
        self._timer = asyncio.get_running_loop().call_later(EVERY_S, self._turn)

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _note(self, name: str) -> None:
        if not name:
            self._is_unsure = True
        elif not name.startswith(("pool:", "agent:")):
            self._changed.add(name)

    def _turn(self) -> None:
        self.start()
        changed, self._changed = self._changed, set()
        is_unsure, self._is_unsure = self._is_unsure, False
        if not (changed or is_unsure) or not self._plane.running:
            return
        affected: dict[str, list[Underway]] = {}
        for exchange in self._plane.running:
            for name in exchange.stands_on:
                if is_unsure or name in changed:
                    affected.setdefault(name, []).append(exchange)
        self._look_again(affected)

    def _look_again(self, affected: dict[str, list[Underway]]) -> None:
        names = list(affected)

        def on_found(found: Found, _sure: bool) -> None:
            for name, thing in found.items():
                for exchange in affected[name]:
                    exchange.look_again(thing)

        for start in range(0, len(names), AT_ONCE):
            self._plane.tables.resolve(names[start : start + AT_ONCE], on_found)
