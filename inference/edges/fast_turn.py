"""An inference request on the fast edge: straight between the parser and the core.

No ASGI cycle, no task, no dictionary of scope: what the parser found goes to an ``Exchange``,
and what that says is written to the transport.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from inference.edges.connection import CallerConnection
from inference.edges.hygiene import Malformed
from inference.exchange.exchange import Exchange
from inference.gate.head import Head
from inference.http.lines import Lines
from inference.http.problems import Refused

DISCARD_MAX = 256 * 1024
"""Body bytes worth reading after an answer was given, to keep the connection."""

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class FastTurn:
    """A turn for the connection, a ``caller.Caller`` for the core."""

    __slots__ = (
        "_asked",
        "_body",
        "_exchange",
        "_head",
        "_is_chunked",
        "_is_new",
        "_length",
        "_protocol",
        "_send",
        "_taken",
        "_told_end",
        "address",
        "is_answered",
        "is_read",
        "keeps",
        "waiting_bytes",
        "wants_continue",
    )

    def __init__(
        self,
        protocol: CallerConnection,
        asked: Head,
        *,
        is_new: bool,
        keeps: bool,
        wants_continue: bool = False,
    ) -> None:
        self.is_read = False
        self.is_answered = False
        self._is_new = is_new
        """Whether the caller speaks HTTP/1.1, and so knows chunks."""
        self.keeps = is_new and keeps
        self.wants_continue = wants_continue
        self.waiting_bytes = 0
        self.address = ""
        self._protocol = protocol
        self._send: Callable[[bytes], None] = protocol.transport.write
        self._asked = asked
        self._length = asked.announced if b"content-length" in asked.fields else -1
        self._exchange: Exchange | None = None
        self._body: list[bytes] = []
        self._taken = 0
        self._told_end = False
        self._is_chunked = False
        self._head = b""

    # ── The caller, as the connection sees it ──────────────────────────────────────────

    def take(self, data: bytes) -> None:
        """Take a piece of the body."""
        if self.is_answered:
            self._discard(len(data))
        else:
            self._body.append(data)
            self.waiting_bytes += len(data)

    def begin(self) -> None:
        """Let the core begin."""
        protocol = self._protocol
        self.address = protocol.caller_address(self._asked.headers)
        exchange = self._exchange = Exchange(protocol.context.plane, self)
        exchange.begin(self._asked)
        if self.wants_continue and not self.is_answered:
            protocol.transport.write(CONTINUE)
            self.wants_continue = False

    def go_on(self) -> None:
        """Give the core what arrived."""
        exchange = self._exchange
        if exchange is None or self.is_answered:
            return
        if self._body:
            pieces, self._body, self.waiting_bytes = self._body, [], 0
            for piece in pieces:
                exchange.body(piece)
        if self.is_read and not self._told_end:
            self._told_end = True
            exchange.body_end()

    def leave(self) -> None:
        """Tell the core that the caller has gone."""
        exchange, self._exchange = self._exchange, None  # As in ``finish``.
        if exchange is not None:
            exchange.left()

    def spoil(self, fault: Malformed) -> bool:
        """Let the core refuse it, if it has not answered."""
        self.keeps = False
        if self._exchange is None or self.is_answered or self._told_end:
            return False
        self._exchange.refuse(Refused(fault.code, fault.message))
        return True

    def slow_down(self) -> None:
        """Tell the core that the caller reads slowly."""
        if self._exchange is not None:
            self._exchange.pause()

    def speed_up(self) -> None:
        """Tell the core that the caller has caught up."""
        if self._exchange is not None:
            self._exchange.resume()

    def _discard(self, size: int) -> None:
        self._taken += size
        if self._taken > DISCARD_MAX:
            self._protocol.hang_up()

    # ── The caller, as the core sees it ────────────────────────────────────────────────

    def start(self, status: int, lines: Lines, *, has_length: bool) -> None:
        """Write the head; it leaves with the first piece of the body."""
        protocol = self._protocol
        if protocol.context.plane.stopping or not self._is_worth_reading():
            self.keeps = False
        framing = b""
        if not has_length and self._is_new:
            self._is_chunked = True
            framing = b"transfer-encoding: chunked\r\n"
        elif not has_length:
            self.keeps = False
        end = b"\r\n" if self.keeps else b"connection: close\r\n\r\n"
        self._head = b"".join((STATUS_LINE[status], protocol.date_line(), lines, framing, end))
        if self._is_chunked:
            protocol.loop.call_soon(self._flush)

    def write(self, data: bytes) -> None:
        """Write a piece of the body."""
        if self._asked.method == b"HEAD":
            return
        if self._is_chunked:
            data = b"".join((self._head, _chunk_line(len(data)), data, b"\r\n"))
        elif self._head:
            data = self._head + data
        self._head = b""
        self._send(data)

    def finish(self) -> None:
        """Write the end."""
        if self._is_chunked:
            self._send(self._head + b"0\r\n\r\n")
            self._head = b""
        else:
            self._flush()
        self.is_answered = True
        self._body, self.waiting_bytes = [], 0
        self._exchange = None  # Each holds the other: or only a search for cycles frees them.
        self._protocol.on_answered()

    def abort(self) -> None:
        """Break the connection off, which is how HTTP/1.1 says that an answer is incomplete."""
        self.is_answered, self.keeps = True, False
        self._exchange = None
        self._protocol.hang_up()

    def pause_body(self) -> None:
        """Stop reading from the connection."""
        self._protocol.pace.pause_reading()

    def resume_body(self) -> None:
        """Go on reading."""
        self._protocol.pace.resume_reading()

    def _flush(self) -> None:
        if self._head:
            head, self._head = self._head, b""
            self._send(head)

    def _is_worth_reading(self) -> bool:
        """Say whether the rest of the request is short enough to be read and thrown away."""
        return self.is_read or (not self.wants_continue and 0 <= self._length <= DISCARD_MAX)


_LINES: Final = [b"%x\r\n" % size for size in range(4096)]


def _chunk_line(size: int) -> bytes:
    """Return what stands in front of a chunk (RFC 9112 section 7.1)."""
    return _LINES[size] if size < len(_LINES) else b"%x\r\n" % size
