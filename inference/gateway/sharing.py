"""Gateways tell each other what they have where (shared load state), over a channel of Valkey.

Every twentieth of a second, if there is anything new; without Valkey each goes by what it has
itself. Processes of one machine hear of each other the same way: it is a socket to one of them.
"""

from __future__ import annotations

import asyncio
from typing import Any

from inference.contracts.names import SIGHT
from inference.gateway.published import Published
from inference.routing.sight import EVERY_S, Sight
from inference.routing.weigh import Scales


class Sharing:
    """See the module. Made inside the loop, before anything is heard; ``name``: this gateway's."""

    def __init__(self, name: str, published: Published, scales: Scales) -> None:
        self._loop = asyncio.get_running_loop()
        self._link = published.link
        self._scales = scales
        self._sight = Sight(scales.state, name)
        self._timer: asyncio.TimerHandle | None = None
        published.changes.hears[SIGHT] = self._hear

    def start(self) -> None:
        """Begin to tell."""
        self._timer = self._loop.call_later(EVERY_S, self._tell)

    def stop(self) -> None:
        """Tell nothing more: what was said fades by itself."""
        if self._timer is not None:
            self._timer.cancel()

    def _tell(self) -> None:
        self._timer = self._loop.call_later(EVERY_S, self._tell)
        if self._link.is_up:
            said = self._sight.tell(self._scales.now_us())
            if said is not None:
                self._link.call("PUBLISH", SIGHT, said, then=_ignore)

    def _hear(self, said: bytes) -> None:
        self._sight.hear(self._scales.now_us(), said)


def _ignore(_reply: Any) -> None:
    """Nothing: it is said again in a moment."""
