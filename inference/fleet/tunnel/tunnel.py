"""The gateway's end of the tunnel, as a whole: where agents dial in, and how they are asked."""

from __future__ import annotations

import asyncio
from typing import Final

from inference.fleet.tunnel import handshake
from inference.fleet.tunnel.connection import LinkProtocol
from inference.fleet.tunnel.links import Links
from inference.http.lines import Headers
from inference.http.problems import Refused

TICK_S: Final = 0.25


class Tunnel:
    """See the module. Made inside the loop."""

    def __init__(self, links: Links) -> None:
        self.links = links
        self._loop = asyncio.get_running_loop()
        numbers = links.config
        self._arrivals = handshake.Arrivals(
            numbers.links_per_s, numbers.links_at_once, self._loop.time
        )
        self._timer: asyncio.TimerHandle | None = None
        self.is_leaving = False
        """No new links are taken, and other gateways ask elsewhere."""

    def start(self) -> None:
        """Begin to look after links."""
        self._tick()

    def stop(self) -> None:
        """Look no more; whoever closes the transport ends the links."""
        self.is_leaving = True
        if self._timer is not None:
            self._timer.cancel()

    def drain(self) -> None:
        """Take no new links, and ask agents to go elsewhere. What runs goes on."""
        self.is_leaving = True
        self.links.drain("the gateway stops")

    def answer(self, headers: Headers) -> bytes:
        """Return the head that accepts a link. Raises ``Refused``."""
        greeting = handshake.answer(headers)
        if self.is_leaving:
            raise Refused("service_unavailable", "The gateway is stopping.")
        wait_s = self._arrivals.wait_s()
        if wait_s:
            message = "Too many agents dial in just now."
            raise Refused("service_unavailable", message, retry_after_s=wait_s)
        return greeting

    def enter(self, transport: asyncio.Transport, peer: str) -> None:
        """Let a connection whose handshake is through be a link from now on."""
        protocol = LinkProtocol(self.links, peer)
        protocol.connection_made(transport)
        transport.set_protocol(protocol)

    def _tick(self) -> None:
        self._timer = self._loop.call_later(TICK_S, self._tick)
        self.links.tick()
