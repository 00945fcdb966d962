"""Flow control of one caller's connection, and whether the caller is still there."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable

from uvicorn.protocols.http.flow_control import FlowControl

GONE = frozenset({4, 5, 6, 7, 8, 9, 11})
"""Linux' TCP states after the peer's FIN or RST: FIN_WAIT*, TIME_WAIT, CLOSE, CLOSE_WAIT,
LAST_ACK, CLOSING. A half-close counts as leaving."""


class Flow(FlowControl):
    """uvicorn's flow control, with a reason for each pause: reading goes on when none is left."""

    def __init__(
        self, transport: asyncio.Transport, held: set[Flow], clock: Callable[[], float]
    ) -> None:
        super().__init__(transport)
        self._reasons: set[str] = set()
        self._held = held
        self._clock = clock
        self._stalled_at = 0.0

    def pause_writing(self) -> None:
        """Learn that the caller does not take what is written."""
        self._stalled_at = self._clock()
        super().pause_writing()

    def stalled_s(self, now: float) -> float:
        """Return for how long the caller has taken too little; zero while it reads."""
        return now - self._stalled_at if self.write_paused else 0.0

    def pause_reading(self) -> None:
        """Pause because an application does not take its body."""
        self.hold("body")

    def resume_reading(self) -> None:
        """Take that reason back."""
        self.release("body")

    def hold(self, reason: str) -> None:
        """Stop reading, for this reason too."""
        if not self._reasons and not self._transport.is_closing():
            super().pause_reading()
            self._held.add(self)
        self._reasons.add(reason)

    def release(self, reason: str) -> None:
        """Take a reason back."""
        if reason in self._reasons:
            self._reasons.discard(reason)
            if not self._reasons and not self._transport.is_closing():
                super().resume_reading()
            if not self._reasons:
                self._held.discard(self)

    def end(self) -> None:
        """Learn that the connection is gone."""
        self._held.discard(self)
        self.resume_writing()

    def drop_if_left(self) -> None:
        """Close the connection if the caller has closed its side while we were not reading."""
        if has_left(self._transport):
            self._transport.abort()


def has_left(transport: asyncio.Transport) -> bool:
    """Say whether the caller closed its side, also while we do not read from it."""
    sock = transport.get_extra_info("socket")
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return False
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
    except OSError:
        return True
    (state,) = struct.unpack("B", info)
    return state in GONE
