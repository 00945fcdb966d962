"""An event loop's clock and timers, moved by hand: what is due comes at its very moment."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from contextvars import Context
from typing import Any, TypeVarTuple

Ts = TypeVarTuple("Ts")


class ScriptedLoop(asyncio.AbstractEventLoop):
    """Runs nothing but timers, and those only while a test lets time pass.

    ``troubles``: what the exception handler was told.
    """

    def __init__(self) -> None:
        self.troubles: list[dict[str, Any]] = []
        self._now = 1000.0
        self._timers: list[asyncio.TimerHandle] = []

    @property
    def is_idle(self) -> bool:
        """Say whether no timer is set."""
        return all(timer.cancelled() for timer in self._timers)

    def let_pass(self, seconds: float) -> None:
        """Move the clock, and stop at each timer on the way."""
        end = self._now + seconds
        while self._timers and self._timers[0].when() <= end:
            timer = heapq.heappop(self._timers)
            self._now = timer.when()
            if not timer.cancelled():
                timer._run()
        self._now = end

    def time(self) -> float:
        return self._now

    def call_later(
        self,
        delay: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        timer = asyncio.TimerHandle(self._now + delay, callback, args, self, context)
        heapq.heappush(self._timers, timer)
        return timer

    def call_soon(
        self,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.Handle:
        return self.call_later(0.0, callback, *args, context=context)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.troubles.append(context)

    def get_debug(self) -> bool:
        return False

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Cancelled timers are passed over when their moment comes."""
