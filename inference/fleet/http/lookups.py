"""Look-ups of tenants' names, each in a thread of its own (DNS resolution).

The system's look-up knows no deadline, and the loop's own threads are few: a name whose
servers never answer would hold up everybody's. So there is one thread for each name that is
being looked up, however many wait for it, and only so many names at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from typing import Final

from inference.contracts.addresses import Place, places_in

NAMES_MAX: Final = 64
"""Looked up at a time. What is beyond is refused: those there are hang."""

Found = tuple[Place, ...] | OSError


class Lookups:
    """Names being looked up. One for each event loop."""

    __slots__ = ("_loop", "_under_way")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._under_way: dict[tuple[str, int], asyncio.Future[Found]] = {}

    async def places(self, host: str, port: int) -> tuple[Place, ...]:
        """Return all addresses of a host. Raises ``OSError``."""
        asked = self._under_way.get((host, port)) or self._begin(host, port)
        # Others wait for the same: whoever gives up takes it from none of them.
        found = await asyncio.shield(asked)
        if isinstance(found, OSError):
            raise OSError(*found.args) from found
        return found

    def _begin(self, host: str, port: int) -> asyncio.Future[Found]:
        if len(self._under_way) >= NAMES_MAX:
            raise OSError("too many names are being looked up")
        asked: asyncio.Future[Found] = self._loop.create_future()
        self._under_way[(host, port)] = asked

        def told(found: Found) -> None:
            del self._under_way[(host, port)]
            asked.set_result(found)

        def look_up() -> None:
            found = _looked_up(host, port)
            # The loop may be gone by then, and nobody waits any more.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(told, found)

        threading.Thread(target=look_up, name="look-up", daemon=True).start()
        return asked


def _looked_up(host: str, port: int) -> Found:
    try:
        return places_in(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except OSError as fault:
        return fault
    except ValueError as fault:
        return OSError(str(fault))
