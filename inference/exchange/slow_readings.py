"""Bodies that are dear to read, one at a time (cooperative scheduling).

Careful reading of a large body takes milliseconds, in which nobody else on this loop is served.
So no two are read in one turn, and after each the loop has at least as long for everything else.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

DEAR_BYTES: Final = 16 * 1024
"""What is smaller is read at once: it takes less than the round trip that follows."""


class SlowReadings:
    """Who waits for a turn to read. Made inside the loop; ``clock`` is fine and steady."""

    __slots__ = ("_clock", "_is_busy", "_loop", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Callable[[], float]) -> None:
        self._loop = loop
        self._clock = clock
        self._waiting: deque[Callable[[], None]] = deque()
        self._is_busy = False

    def add(self, read: Callable[[], None]) -> None:
        """Let somebody read when it is their turn, not before this call has returned."""
        self._waiting.append(read)
        if not self._is_busy:
            self._is_busy = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        if not self._waiting:
            self._is_busy = False
            return
        read = self._waiting.popleft()
        began = self._clock()
        try:
            read()
        finally:
            self._loop.call_later(self._clock() - began, self._turn)
