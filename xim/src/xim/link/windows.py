"""Credit per stream and direction, in absolute offsets (flow control); sans-I/O.

An absolute offset can't drift: said twice or out of order it means the same.
"""

from __future__ import annotations

from xim.link.frames import ProtocolFault

LINK_EXTRA_MAX = 16 << 20


class SendWindow:
    """How much of a stream's body may still go to the peer."""

    def __init__(self, first: int) -> None:
        self.limit = first
        self.sent = 0

    @property
    def room(self) -> int:
        """Return how many bytes may go now."""
        return self.limit - self.sent

    def spend(self, count: int) -> None:
        """Note that ``count`` bytes went."""
        self.sent += count

    def grant(self, offset: int) -> None:
        """Take a credit; an older one says nothing new."""
        if offset >= 1 << 63:
            raise ProtocolFault("a CREDIT is beyond all bodies")
        self.limit = max(self.limit, offset)


class Growth:
    """What all streams of a link together were granted beyond their first windows."""

    def __init__(self, most: int = LINK_EXTRA_MAX) -> None:
        self._left = most

    def take(self, count: int) -> bool:
        """Ask for more; say whether there is as much."""
        if count > self._left:
            return False
        self._left -= count
        return True

    def give_back(self, count: int) -> None:
        """Return what a stream had that is over."""
        self._left += count


class ReceiveWindow:
    """How much of a stream's body the peer may send us, and when it may send more."""

    def __init__(self, first: int, most: int, growth: Growth) -> None:
        self.size = self.granted = self._first = first
        self.received = self.consumed = 0
        self._most = most
        self._growth = growth
        self._renewed_at = float("-inf")

    def take(self, count: int) -> bool:
        """Note what came; say whether it was allowed."""
        self.received += count
        return self.received <= self.granted

    def consume(self, count: int, now: float, round_trip: float) -> int | None:
        """Note what was read; return the offset to grant when half of the window is read.

        A peer that used half a window within two round trips could do more: its window doubles.
        """
        self.consumed += count
        if self.granted - self.consumed > self.size // 2:
            return None
        if now - self._renewed_at < 2 * round_trip:
            self._grow()
        self._renewed_at = now
        self.granted = self.consumed + self.size
        return self.granted

    def close(self) -> None:
        """Give back to the link what this stream had beyond its first window."""
        self._growth.give_back(self.size - self._first)
        self.size = self._first

    def _grow(self) -> None:
        more = min(self.size, self._most - self.size)
        if more > 0 and self._growth.take(more):
            self.size += more
