"""A clock for bounds on our own haste: it stands still while this thread waits for a processor.

On a machine shared with others a thread may be kept from running for longer than all that a
bound allows, and that says nothing about the gateway. Linux counts these waits, and nothing
else is left out: a timer that is late in coming, a call that blocks and a busy loop all count.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import psutil

SCHEDULED = Path("/proc/thread-self/schedstat")
"""Nanoseconds on a processor, nanoseconds of waiting for one, and how often it got one."""
IS_COUNTED = SCHEDULED.exists()
"""Not every kernel counts. Without it a moment is the wall's, and a bound only stricter."""


def own_time() -> float:
    """Return a moment in seconds; only what lies between two of them says anything."""
    while True:
        waited_ns = _waited_ns()
        moment = time.monotonic()
        if waited_ns == _waited_ns():  # Else we were kept waiting between the two readings.
            return moment - waited_ns / 1e9


def _waited_ns() -> int:
    return int(SCHEDULED.read_text().split()[1]) if IS_COUNTED else 0


class Stopwatch:
    """Seconds since it was made, for bounds on what other processes of ours do.

    It stands still while this process or one that came of it, a server's too, waits for a
    processor. Of several that wait at once each counts: on a busy machine it is only too slow.
    """

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._before = _waits_ns()
        self._last = dict(self._before)

    def seconds(self) -> float:
        """Return how much of our own time has passed."""
        passed_s = time.monotonic() - self._began
        self._last |= _waits_ns()  # Of a thread that has ended the last figure stays.
        waited_ns = sum(ns - self._before.get(thread, 0) for thread, ns in self._last.items())
        return passed_s - waited_ns / 1e9


def _waits_ns() -> dict[str, int]:
    """Return how long each thread of ours and our descendants has waited so far."""
    ours = psutil.Process()
    found: dict[str, int] = {}
    for process in (ours, *ours.children(recursive=True)):
        for counted in Path(f"/proc/{process.pid}/task").glob("*/schedstat"):
            with contextlib.suppress(OSError):  # It has just ended.
                found[str(counted)] = int(counted.read_text().split()[1])
    return found
