"""What all connections of one server share: the plane, the rules, and two slow clocks."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Protocol

from inference.edges.flow import Flow
from inference.edges.forwarded import Proxies
from inference.exchange.config import PlaneConfig
from inference.exchange.plane import Plane
from inference.http.lines import Headers
from inference.telemetry.turned_away import TurnedAway

SWEEP_S = 0.25
POLL_S = 0.0125
"""A caller that leaves while we don't read from it is noticed within this time."""

DateField = list[tuple[bytes, bytes]]


class Door(Protocol):
    """Where agents dial in: a connection whose handshake is accepted is a link from then on."""

    def answer(self, headers: Headers) -> bytes:
        """Return the head that accepts a link. Raises ``Refused``."""

    def enter(self, transport: asyncio.Transport, peer: str) -> None:
        """Take a connection over, once that head was written."""


class Swept(ABC):
    """A connection whose waits are limited."""

    transport: asyncio.Transport

    @abstractmethod
    def sweep(self, now: float) -> None:
        """End what has waited too long."""


class EdgeContext:
    """Rules for connections.

    ``plane``, ``turned_away`` and ``door`` are there before the first of them.
    """

    def __init__(self, config: PlaneConfig) -> None:
        self.config = config
        self.proxies = Proxies(config.trusted_proxies)
        self.plane: Plane
        self.turned_away: TurnedAway
        self.door: Door
        self.held: set[Flow] = set()
        self._timers: list[asyncio.TimerHandle] = []
        self._swept_at = 0.0
        self._was_away = False
        self._stamped: DateField = []
        self._date_line = b""

    def watch(self, connections: Iterable[object]) -> None:
        """Look after these connections from now on: deadlines, and callers that left.

        Walking over all of them four times a second costs less than a timer for each wait.
        One that fails is reported and closed; the clocks of all others go on.
        """
        loop = asyncio.get_running_loop()

        def sweep() -> None:
            self._timers[0] = loop.call_later(SWEEP_S, sweep)
            now = loop.time()
            for connection in [] if self._were_we_away(now) else list(connections):
                if isinstance(connection, Swept):
                    try:
                        connection.sweep(now)
                    except Exception as fault:  # noqa: BLE001 - told below; others' waits must end
                        _report(loop, connection, fault)
                        connection.transport.abort()

        def poll() -> None:
            self._timers[1] = loop.call_later(POLL_S, poll)
            for flow in list(self.held):
                try:
                    flow.drop_if_left()
                except Exception as fault:  # noqa: BLE001 - as above
                    self.held.discard(flow)
                    _report(loop, flow, fault)

        self._swept_at = loop.time()
        self._timers = [loop.call_later(SWEEP_S, sweep), loop.call_later(POLL_S, poll)]

    def _were_we_away(self, now: float) -> bool:
        """Say whether the waiting was ours: what callers said meanwhile lies unread. Once only."""
        self._was_away = now - self._swept_at > 2 * SWEEP_S and not self._was_away
        self._swept_at = now
        return self._was_away

    def stop(self) -> None:
        """Look no more."""
        for timer in self._timers:
            timer.cancel()

    def date_line(self, fields: DateField) -> bytes:
        """Write the server's own header lines; it renews the list of them every second."""
        if fields is not self._stamped:
            self._stamped = fields
            self._date_line = b"".join(b"%b: %b\r\n" % field for field in fields)
        return self._date_line


def _report(loop: asyncio.AbstractEventLoop, watched: object, fault: Exception) -> None:
    message = "A connection could not be looked after."
    loop.call_exception_handler({"message": message, "exception": fault, "watched": watched})
