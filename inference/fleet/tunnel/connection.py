"""A link's connection: what asyncio says of the socket, and what the link has to be sent.

Reading never waits for writing: what can't be sent stays in the link, which keeps it in bounds
by granting and asking for no more. Little is kept in the kernel, or what is urgent would stand
behind it there.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any, Final, cast

from inference.fleet.tunnel import closing, frames, websocket
from inference.fleet.tunnel.link import Link
from inference.fleet.tunnel.links import Links
from inference.fleet.tunnel.wire import Wire

UNSENT_MAX: Final = 64 * 1024
"""Bytes that are handed to the transport and have not left; as many may wait in the kernel."""
PORTIONS: Final = 4
"""Writes a turn: then the loop has other work."""
NOTSENT_LOWAT: Final = getattr(socket, "TCP_NOTSENT_LOWAT", 25)


class LinkConnection(Wire):
    """See the module. Made for a transport that speaks WebSocket from now on."""

    def __init__(self, links: Links, transport: asyncio.Transport, peer: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._now: Callable[[], float] = self._loop.time
        self._transport = transport
        self._counts = links.counts
        self._farewell_s = links.config.farewell_s
        self._farewell: asyncio.TimerHandle | None = None
        self._reader = websocket.Reader(frames.MESSAGE_MAX)
        self._is_sending_soon = self._is_shut = False
        self._handed = self._went = 0
        self._went_at = self._now()
        _keep_little_unsent(transport)
        self.link: Link = links.make(self, peer)

    # ── What the socket says ───────────────────────────────────────────────────────────

    def on_read(self, data: bytes) -> None:
        """Take one read."""
        self._counts.bytes_in += len(data)
        link = self.link
        link.pulse.heard(self._now())
        for opcode, payload in self._reader.feed(data):
            if opcode == websocket.BINARY and not self._is_shut:
                link.take(payload)
            elif opcode != websocket.BINARY:
                self._on_control(opcode, payload)
        if self._reader.fault:
            link.close(self._reader.fault, self._reader.why)
        link.streams.settle()

    def on_writable(self) -> None:
        """Go on sending."""
        self.send_soon()

    def on_lost(self, why: str) -> None:
        """Learn that the connection is gone."""
        self._is_shut = True
        if self._farewell is not None:
            self._farewell.cancel()
        self.link.close(closing.LOST, why)

    def _on_control(self, opcode: int, payload: bytes) -> None:
        if opcode == websocket.PING:
            if not self._is_shut:
                self.link.ping_back(payload)
        elif opcode == websocket.CLOSE:
            code, reason = websocket.read_close(payload)
            echoed = closing.DONE if code == websocket.NO_CODE else code
            self.link.close(echoed, f"the agent closed it: {reason}" if reason else "")
            self._transport.close()

    # ── What the link says ─────────────────────────────────────────────────────────────

    def send_soon(self) -> None:
        """Send once this turn of the loop is through: what it gathered leaves in one write."""
        if not self._is_sending_soon:
            self._is_sending_soon = True
            self._loop.call_soon(self._send)

    def _send(self) -> None:
        self._is_sending_soon = False
        transport, link = self._transport, self.link
        for _ in range(PORTIONS):
            room = UNSENT_MAX - transport.get_write_buffer_size()
            if self._is_shut or transport.is_closing() or room <= 0:
                return  # If it is full, it says when it is not.
            out = link.take_out(room)
            if not out:
                return
            self._write(out[0] if len(out) == 1 else b"".join(out))
        if not link.outbox.is_empty:
            self.send_soon()

    def _write(self, data: bytes) -> None:
        self._handed += len(data)
        self._counts.bytes_out += len(data)
        self._transport.write(data)

    def later(self, call: Callable[[], None]) -> None:
        """Call this with the loop's next turn."""
        self._loop.call_soon(call)

    def blocked_s(self, now: float) -> float:
        """Return for how long nothing has left, though something should."""
        unsent = self._transport.get_write_buffer_size()
        went = self._handed - unsent
        if went > self._went or not unsent:
            self._went, self._went_at = went, now
        return now - self._went_at

    def shut(self, code: int, reason: str) -> None:
        """Say farewell, and wait a moment for that of the other end.

        A socket that is closed with something unread in it takes back what it said last. So only
        our side is closed at once; what comes yet is thrown away.
        """
        if self._is_shut:
            return
        self._is_shut = True
        if not self._transport.is_closing():
            self._write(websocket.close_frame(code, reason))
            if self._transport.can_write_eof():
                self._transport.write_eof()
            self._farewell = self._loop.call_later(self._farewell_s, self._transport.abort)

    def report(self, fault: Exception) -> None:
        """Tell the loop, which logs it."""
        message = "What came over a link could not be used."
        self._loop.call_exception_handler({"message": message, "exception": fault})


class LinkProtocol(asyncio.Protocol):
    """Hands on what asyncio says."""

    __slots__ = ("connection", "links", "peer")

    def __init__(self, links: Links, peer: str) -> None:
        self.links = links
        self.peer = peer
        self.connection: LinkConnection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        # Not asked by isinstance: uvloop's transports are no subclasses.
        self.connection = LinkConnection(self.links, cast("Any", transport), self.peer)

    def data_received(self, data: bytes) -> None:
        """Hand it on."""
        self.connection.on_read(data)

    def resume_writing(self) -> None:
        """Hand it on."""
        self.connection.on_writable()

    def connection_lost(self, exc: Exception | None) -> None:
        """Hand it on."""
        self.connection.on_lost(str(exc) if exc else "the connection was closed without a word")


def _keep_little_unsent(transport: asyncio.Transport) -> None:
    transport.set_write_buffer_limits(high=UNSENT_MAX // 2, low=UNSENT_MAX // 4)
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.IPPROTO_TCP, NOTSENT_LOWAT, UNSENT_MAX)
