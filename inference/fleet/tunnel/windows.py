"""Credit-based flow control: how much of a stream may be on its way, as plain arithmetic.

Credit is an absolute offset: up to this byte of the body the peer may send. So it can't drift,
and said twice it changes nothing. The receiver renews when half of what it granted was taken,
and a window that is too small for the way grows: half of it came within one round trip, so the
sender would wait half the time.
"""

from __future__ import annotations

from inference.fleet.tunnel.config import TunnelConfig


class Room:
    """How much all windows together may grow to: of a link, or of the process."""

    def __init__(self, size: int, outer: Room | None = None) -> None:
        self._size = size
        self._outer = outer
        self.used = 0

    def take(self, size: int) -> None:
        """Count a window that a stream has in any case."""
        self.used += size
        if self._outer is not None:
            self._outer.take(size)

    def may_take(self, size: int) -> bool:
        """Say whether there is room for so much more, here and further out."""
        if self.used + size > self._size:
            return False
        return self._outer is None or self._outer.may_take(size)

    def give_back(self, size: int) -> None:
        """Count a window no more."""
        self.used -= size
        if self._outer is not None:
            self._outer.give_back(size)


class Inflow:
    """What we granted of one stream, what came of it and what of that was taken."""

    __slots__ = ("_granted", "_is_over", "_renewed_at", "_room", "_taken", "came", "window")

    def __init__(self, config: TunnelConfig, room: Room, now: float) -> None:
        self.window = self._granted = config.window
        self.came = self._taken = 0
        self._renewed_at = now
        self._room = room
        self._is_over = False
        room.take(self.window)

    def arrive(self, size: int) -> bool:
        """Count bytes that came; false if they were not granted."""
        self.came += size
        return self.came <= self._granted

    def take(self, size: int, now: float, trip_s: float, window_max: int) -> int:
        """Count bytes that were taken; the offset to grant now, or 0 if nothing is to be said."""
        self._taken += size
        if self._is_over or self._granted - self._taken > self.window // 2:
            return 0
        if now - self._renewed_at < trip_s:
            self._grow(window_max)
        self._renewed_at = now
        self._granted = self._taken + self.window
        return self._granted

    def close(self) -> None:
        """Grant nothing more: the stream is over."""
        if not self._is_over:
            self._is_over = True
            self._room.give_back(self.window)

    def _grow(self, window_max: int) -> None:
        more = min(self.window, window_max - self.window)
        if more > 0 and self._room.may_take(more):
            self._room.take(more)
            self.window += more


class Outflow:
    """What the peer granted of one stream, and what of that was sent."""

    __slots__ = ("_granted", "_sent")

    def __init__(self, window: int) -> None:
        self._granted = window
        self._sent = 0

    @property
    def left(self) -> int:
        """Return how many bytes may be sent now."""
        return self._granted - self._sent

    def grant(self, offset: int) -> bool:
        """Take a credit; false if it says nothing new. It never takes back."""
        if offset <= self._granted:
            return False
        self._granted = offset
        return True

    def send(self, size: int) -> None:
        """Count bytes that were sent."""
        self._sent += size
