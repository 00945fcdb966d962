"""Whether the other end of a link is alive (failure detection), and how far away it is.

Any frame is a sign of life. Time is passed in: seconds of a clock that never goes back.
"""

from __future__ import annotations

from typing import Final

from inference.fleet.tunnel.config import TunnelConfig
from inference.fleet.tunnel.frames import MARK_BYTES

MEASURED_EVERY_S: Final = 30.0
SHARE: Final = 0.25
"""How much of what a new round trip took goes into what is believed."""


class Pulse:
    """See the module. ``trip_s``: how long a round trip takes, smoothed; 0 is not known yet."""

    def __init__(self, config: TunnelConfig, now: float) -> None:
        self._config = config
        self._heard_at = self._said_at = now
        self._asked_at = -1.0
        self._measured_at = -MEASURED_EVERY_S
        self._mark = 0
        self.trip_s = 0.0

    def heard(self, now: float) -> None:
        """Note a sign of life."""
        self._heard_at = now

    def said(self, now: float) -> None:
        """Note that something was sent."""
        self._said_at = now

    def silence_s(self, now: float) -> float:
        """Return for how long nothing was heard."""
        return now - self._heard_at

    def is_suspect(self, now: float) -> bool:
        """Say whether nothing new should be begun here."""
        return now - self._heard_at >= self._config.suspect_s

    def is_dead(self, now: float) -> bool:
        """Say whether it has been silent for too long."""
        return now - self._heard_at >= self._config.cut_s

    def ping(self, now: float) -> bytes:
        """Return the mark of a ping that is due now; nothing if none is."""
        is_quiet = now - self._said_at >= self._config.ping_s
        is_unmeasured = self._asked_at < 0 and now - self._measured_at >= MEASURED_EVERY_S
        if not (is_quiet or is_unmeasured):
            return b""
        self._mark += 1
        self._asked_at = now
        return self._mark.to_bytes(MARK_BYTES, "big")

    def pong(self, mark: bytes, now: float) -> None:
        """Take an answer; one to an older ping says nothing of the way."""
        if self._asked_at < 0 or int.from_bytes(mark, "big") != self._mark:
            return
        took_s = now - self._asked_at
        self.trip_s = took_s if not self.trip_s else self.trip_s + SHARE * (took_s - self.trip_s)
        self._measured_at, self._asked_at = now, -1.0
