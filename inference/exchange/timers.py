"""Deadlines for thousands of exchanges at the price of one timer.

Setting a timer of the event loop for every wait costs more than the wait is worth. Here an
exchange only writes down when it is ``due``; a coarse wheel looks at it then, and if the
moment has been moved meanwhile, puts it back. Nothing fires early; late by two ticks at most, and
by one more after the loop was away: what would have moved the moment lies unread then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

TICK_S = 0.02
AWAY_S = 0.25
"""A tick this late says that the process, or its loop, was away."""


class Due(Protocol):
    """Something with a deadline, in seconds of the loop's clock."""

    due: float

    def on_due(self, now: float) -> None:
        """Act. It is watched on if ``due`` was moved on, and no more if it was disarmed."""


class Wheel:
    """Calls ``on_due`` of each armed thing once its moment has come."""

    __slots__ = ("_handle", "_loop", "_slots", "_turned_at", "_was_away", "_where")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._slots: dict[int, set[Due]] = {}
        self._where: dict[Due, int] = {}
        self._handle: asyncio.TimerHandle | None = None
        self._turned_at = 0.0
        self._was_away = False

    def arm(self, thing: Due) -> None:
        """Watch a thing, or watch it sooner. Moving ``due`` back needs no call."""
        slot = int(thing.due / TICK_S) + 1
        known = self._where.get(thing)
        if known is not None:
            if known <= slot:
                return
            self._drop(thing, known)
        self._where[thing] = slot
        self._slots.setdefault(slot, set()).add(thing)
        if self._handle is None:
            self._turned_at = self._loop.time()
            self._handle = self._loop.call_later(TICK_S, self._turn)

    def disarm(self, thing: Due) -> None:
        """Watch it no more."""
        slot = self._where.pop(thing, None)
        if slot is not None:
            self._drop(thing, slot)

    def __len__(self) -> int:
        """Return how many things are watched."""
        return len(self._where)

    def soon(self, step: Callable[[], None]) -> None:
        """Do something when everybody else has had a turn."""
        self._loop.call_soon(step)

    def stop(self) -> None:
        """Turn no more."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _turn(self) -> None:
        now = self._loop.time()
        self._was_away = now - self._turned_at > AWAY_S and not self._was_away
        self._turned_at = now
        present = 0 if self._was_away else int(now / TICK_S)
        for slot in [slot for slot in self._slots if slot <= present]:
            for thing in self._slots.pop(slot):
                if self._where.get(thing) == slot:  # Else another's end has disarmed it.
                    self._look_at(thing, slot, now)
        self._handle = self._loop.call_later(TICK_S, self._turn) if self._slots else None

    def _look_at(self, thing: Due, slot: int, now: float) -> None:
        if thing.due <= now:
            try:
                thing.on_due(now)
            except Exception as fault:  # noqa: BLE001 - told; all others' deadlines must come
                message = "A deadline could not be acted on."
                self._loop.call_exception_handler({"message": message, "exception": fault})
        if self._where.get(thing) == slot:
            del self._where[thing]
            if thing.due > now:
                self.arm(thing)

    def _drop(self, thing: Due, slot: int) -> None:
        things = self._slots.get(slot)
        if things is not None:
            things.discard(thing)
