"""uvicorn's HTTP protocol, hardened, with a short cut for inference.

Requests are recognised at the parser. Those of the plane go straight to the core; all others
become uvicorn's own ASGI cycles. Both wait in one queue, because answers leave in the order
of asking. What a server must not take from strangers is refused here, for every path.

Parser callbacks only write down what they saw; the work is done when the parser is through
(``_pump``), so that a mistake in a later byte of the same read still refuses the request, and
an error of ours is never taken for one of the caller's.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

import httptools
from uvicorn.config import Config
from uvicorn.server import ServerState

from inference.edges import offers, opening
from inference.edges.connection import CallerConnection
from inference.edges.context import EdgeContext
from inference.edges.fast_turn import FastTurn
from inference.edges.flow import Flow
from inference.edges.head_cache import HeadCache
from inference.edges.hygiene import FULL, Malformed, check_size, unreadable
from inference.edges.turns import RefusalTurn, Turn

LINGER_S = 2.0


class PlatformProtocol(CallerConnection):
    """One caller's connection."""

    def __init__(
        self,
        context: EdgeContext,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.context = context
        self._now: Callable[[], float] = self.loop.time
        self._turns: deque[Turn] = deque()
        self._current: Turn | None = None
        self._reading: Turn | None = None
        self._fault: Malformed | None = None
        self.declined = b""  # A head like the last, without its offer (``offers``).
        self.welcome = b""
        self._in_head = False
        self._head_bytes = self._chunk_bytes = 0
        self._is_pumping = self._is_over = self._was_used = False
        self._since = self._last_read = 0.0
        self.memory = HeadCache()

    # ── The connection ─────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # why: what TCP and unix sockets give
        """Take a connection, if there is room for one more."""
        is_full = len(self.connections) >= self.context.config.bounds.connections
        super().connection_made(transport)
        self.flow = self.pace = Flow(transport, self.context.held, self._now)
        self._since = self._last_read = self._now()
        if is_full:
            self._break(Malformed(FULL, "Too many connections are open. Please try again."))

    def connection_lost(self, exc: Exception | None) -> None:
        """Let every request know that nobody listens any more."""
        self.connections.discard(self)
        self._is_over = True
        turns, self._turns = self._turns, deque()
        for turn in turns:
            turn.leave()
        self.pace.end()
        self._current = self._reading = None

    def pause_writing(self) -> None:
        """Slow down whoever answers."""
        self.pace.pause_writing()
        if isinstance(self._current, FastTurn):
            self._current.slow_down()

    def resume_writing(self) -> None:
        """Let it go on."""
        self.pace.resume_writing()
        if isinstance(self._current, FastTurn):
            self._current.speed_up()

    def hang_up(self) -> None:
        """Close, after what was written has arrived.

        While the caller still sends, closing at once would reset the connection and destroy the
        answer on its way (RFC 9112 section 9.6): we close our side and read on a little.
        """
        if self._is_over or self.transport.is_closing():
            return
        self._is_over = True
        self._since = self._now()
        is_sent_more = self._in_head or self._reading is not None or self._fault is not None
        if self.pace.write_paused:
            self.transport.abort()
        elif is_sent_more and self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()

    def shutdown(self) -> None:
        """Close as soon as nothing is being answered: the server stops."""
        if self._turns:
            self._turns[-1].keeps = False
        else:
            self.hang_up()

    def sweep(self, now: float) -> None:
        """End what has waited too long."""
        waits, waited_s = self.context.config.waits, now - self._since
        if self._is_over or self.pace.stalled_s(now) > waits.stalled_caller_s:
            if waited_s > LINGER_S:
                self.transport.abort()
        elif self._in_head and waited_s > waits.header_s:
            self._break(Malformed(408, "The request's head did not arrive in time."))
        elif self._reading is not None and not self.pace.read_paused:
            if now - self._last_read > waits.body_idle_s or waited_s > waits.body_whole_s:
                self._break(Malformed(408, "The request body did not arrive in time."))
        elif not (self._in_head or self._turns) and waited_s > waits.unused_s(
            was_used=self._was_used
        ):
            self.hang_up()

    # ── Reading ────────────────────────────────────────────────────────────────────────

    def data_received(self, data: bytes) -> None:
        """Parse what came, then do what it asks for."""
        self._last_read = self._now()
        if self._is_over:
            return
        if self.memory.is_of_use:
            data = self._take_known(data)
            if not data:
                self._pump()
                return
        self._chunk_bytes = len(data)
        self.memory.fed = b"" if self._in_head or self._reading is not None else data
        try:
            # Of a body only trailers and chunk extensions count, for which nobody asked.
            head_bytes = self._head_bytes + self._chunk_bytes * self._in_head
            check_size(head_bytes, self.context.config.bounds)
            self._head_bytes += self._chunk_bytes
            offers.feed(self, data)
        except Malformed as fault:
            self._break(fault)
        except httptools.HttpParserUpgrade:
            self._is_over = True
            self.handle_websocket_upgrade()
        except httptools.HttpParserError:
            self._break(self._fault or unreadable(data))
        else:
            self._pump()

    def handle_websocket_upgrade(self) -> None:
        """Let an agent or uvicorn have the connection: nothing here looks after it any more."""
        if not self.welcome:
            super().handle_websocket_upgrade()
            return
        self.connections.discard(self)
        self.pace.end()
        self.transport.write(self.welcome)
        self.context.door.enter(self.transport, self.caller_address(self.headers))

    def _take_known(self, data: bytes) -> bytes:
        """Take what belongs to a request whose head is known by its bytes; return the rest.

        Such a request passes the parser by, which waits for the next head all the while.
        """
        memory = self.memory
        if not (self._in_head or self._turns):
            known = memory.recognise(data)
            if known is not None:
                self._since = self._last_read
                self._reading = opening.of_known(self, known)
                self._turns.append(self._reading)
                data = data[known.size :]
        if memory.is_owed:
            mine = memory.take(data)
            if mine and self._reading is not None:  # Else it was refused, and this goes nowhere.
                self._reading.take(mine)
            if not memory.is_owed:
                self.on_message_complete()
            data = data[len(mine) :]
        return data

    def on_message_begin(self) -> None:
        """Begin a head."""
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._in_head = True
        self._head_bytes = 0
        self._since = self._last_read

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field. Underscores make two names one for CGI's heirs, so those go."""
        if not self._in_head:
            return  # A trailer: nobody asked for it.
        name = name.lower()
        if name.find(b"_") >= 0:
            return
        if value.endswith((b" ", b"\t")):  # The parser leaves white space that is no part of it.
            value = value.rstrip(b" \t")
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Put a request into the queue, or refuse it."""
        self._in_head = False
        self._was_used = True
        try:
            head_bytes = self._head_bytes + self._chunk_bytes
            turn = opening.of_head(self, head_bytes, is_alone=not self._turns)
        except Malformed as fault:
            self._fault = fault
            raise
        self._head_bytes = 0
        self.memory.fed = b""
        if turn is not None:
            self._reading = turn
            self._turns.append(turn)

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body."""
        self._head_bytes = 0
        if self._reading is not None:
            self._reading.take(body)

    def on_message_complete(self) -> None:
        """Mark a request as complete."""
        if self._reading is not None and not self.declined:
            self._reading.is_read = True
            self._reading = None

    def _break(self, fault: Malformed) -> None:
        """Refuse the request being read, behind those that wait, and read no more."""
        turn, self._reading = self._reading, None
        self._in_head, self._fault = False, fault
        if turn is None:
            self._turns.append(RefusalTurn(self, fault))
        elif turn is not self._current:
            self._turns[-1] = RefusalTurn(self, fault)
        elif not turn.spoil(fault):
            self.hang_up()
            return
        self._pump()

    # ── Answering ──────────────────────────────────────────────────────────────────────

    def _pump(self) -> None:
        """Answer what can be answered now, in order."""
        if self._is_pumping:
            return
        self._is_pumping = True
        while self._turns and not self._is_over and self._serve(self._turns[0]):
            self._turns.popleft()
            self._since = self._last_read
        self._is_pumping = False
        self._balance()

    def _serve(self, turn: Turn) -> bool:
        """Drive a turn on; true if it is over and the next may begin."""
        if turn is not self._current:
            self._current = turn
            turn.begin()
        turn.go_on()
        if not turn.is_answered:
            return False
        if not turn.keeps:
            self.hang_up()
            return False
        return turn.is_read

    def _balance(self) -> None:
        """Read on only while little waits."""
        bounds, turns = self.context.config.bounds, self._turns
        waiting = sum(turn.waiting_bytes for turn in turns) if len(turns) > 1 else 0
        if len(turns) > bounds.waiting_requests or waiting > bounds.waiting_bytes:
            self.pace.hold("queue")
        else:
            self.pace.release("queue")

    def on_answered(self) -> None:
        """Go on with the next request: an answer is complete."""
        self.pace.resume_reading()  # Else that would never be read.
        self.server_state.total_requests += 1
        self._since = self._now()
        self._pump()
