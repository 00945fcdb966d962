"""Requests that nobody saw: refused while they were read, or for want of room.

They have no key, no endpoint and no outcome, and come from strangers. So they are counted by
status, and told in the log by a few lines a second at most, each with the id that the caller
was given.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

LINES_A_SECOND: Final = 10


class TurnedAway:
    """Counts and tells. ``now`` is a monotonic clock, ``say`` writes to the log."""

    def __init__(self, now: Callable[[], float], say: Callable[..., None]) -> None:
        self._now = now
        self._say = say
        self._counts: dict[str, int] = {}
        self._second = 0
        self._lines = self._untold = 0

    def note(self, request_id: str, address: str, status: int, reason: str) -> None:
        """Take one."""
        kind = str(status)
        self._counts[kind] = self._counts.get(kind, 0) + 1
        second = int(self._now())
        if second != self._second:
            self._second, self._lines = second, 0
        if self._lines >= LINES_A_SECOND:
            self._untold += 1
            return
        self._lines += 1
        untold, self._untold = self._untold, 0
        self._say(
            "request_turned_away",
            request_id=request_id,
            address=address,
            status=status,
            reason=reason,
            untold_before=untold,
        )

    def counts(self) -> dict[str, int]:
        """Return the counts, by labels as ``scrape`` reads them."""
        return dict(self._counts)
