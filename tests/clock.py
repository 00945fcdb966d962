"""A clock for bounds on our own haste: it stands still while this thread waits for a processor.

On a machine shared with others a thread may be kept from running for longer than all that a
bound allows, and that says nothing about the gateway. Linux counts these waits, and nothing
else is left out: a timer that is late in coming, a call that blocks and a busy loop all count.
"""

from __future__ import annotations

import time
from pathlib import Path

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
