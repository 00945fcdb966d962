"""The asker's end of a connection between gateways: proofs first, then the answer's frames.

Once the caller is slow nothing more is taken: what came lies here, what comes yet stays in the
socket, and so the other gateway grants the agent no more.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import Any, Final

from inference.fleet.hop import wire
from inference.fleet.hop.call import HopCall
from inference.fleet.hop.directory import Place
from inference.fleet.hop.proof import ANSWERING, ASKING, NONCE_BYTES, Keys
from inference.fleet.hop.wire import Nonsense
from inference.fleet.ports import WorkerFailed

UNSENT: Final = 64 * 1024


class AskingEnd(asyncio.Protocol):
    """See the module. It serves one call."""

    transport: asyncio.Transport

    def __init__(self, call: HopCall, place: Place, keys: Keys, patience_s: float) -> None:
        self._call = call
        self._place = place
        self._keys = keys
        self._patience_s = patience_s
        self._nonce = secrets.token_bytes(NONCE_BYTES)
        self._reader = wire.Reader()
        self._is_met = self._has_head = self._is_paused = self._is_over = False
        self._why_lost = ""
        self._loop = asyncio.get_running_loop()
        self._patience: asyncio.TimerHandle | None = None

    # ── What the call says ─────────────────────────────────────────────────────────────

    def write(self, data: bytes) -> None:
        """Hand bytes to the socket, unless only the news is still to come that it is closed."""
        if not self.transport.is_closing():
            self.transport.write(data)

    def pause(self) -> None:
        """Take no more of what comes."""
        if not self._is_paused:
            self._is_paused = True
            if not self.transport.is_closing():
                self.transport.pause_reading()

    def resume(self) -> None:
        """Go on, but not before this has returned."""
        if self._is_paused:
            self._is_paused = False
            if not self.transport.is_closing():
                self.transport.resume_reading()
            self._loop.call_soon(self._read)

    def drop(self) -> None:
        """Close at once; whoever asked hears no more of it."""
        self._is_over = True
        self._wait_no_more()
        self.transport.abort()

    # ── What asyncio says ──────────────────────────────────────────────────────────────

    def connection_made(self, transport: Any) -> None:
        """Begin."""
        self.transport = transport
        transport.set_write_buffer_limits(high=UNSENT)
        silent = "does not say what it is"
        self._patience = self._loop.call_later(self._patience_s, self._end_unmet, silent)
        self.write(wire.frame(wire.HELLO, self._nonce))
        self._call.on_line(self, self._place)

    def data_received(self, data: bytes) -> None:
        """Take one read."""
        self._reader.feed(data)
        self._read()

    def connection_lost(self, exc: Exception | None) -> None:
        """Learn that no more will come. What is here already is told first."""
        self._why_lost = str(exc) if exc else "it closed the connection"
        self._read()

    # ── What the other gateway says ────────────────────────────────────────────────────

    def _read(self) -> None:
        try:
            while not (self._is_paused or self._is_over):
                said = self._reader.next()
                if said is None:
                    self._end_if_lost()
                    return
                self._take(*said)
        except Nonsense as fault:
            self._end("protocol", f"spoke nonsense: {fault}")

    def _take(self, kind: int, flags: int, payload: bytes) -> None:
        call = self._call
        if kind == wire.GREETING and not self._is_met:
            self._on_greeting(*wire.read_greeting(payload))
        elif not self._is_met:
            raise Nonsense("a frame before its greeting")
        elif kind == wire.DATA and self._has_head:
            call.on_data(payload, is_last=flags & wire.FIN != 0)
        elif kind == wire.HEADERS and not self._has_head:
            self._has_head = True
            call.on_head(*wire.read_headers(payload))
        elif kind == wire.CREDIT:
            call.on_credit(wire.read_credit(payload))
        elif kind == wire.FAIL:
            self._on_fail(wire.read_fail(flags, payload), is_gone=flags & wire.GONE != 0)
        else:
            raise Nonsense("a frame that may not come now")

    def _on_greeting(self, nonce: bytes, proof: bytes) -> None:
        name = self._place.gateway.encode()
        if not self._keys.believe(proof, ANSWERING, self._nonce, nonce, name):
            self._end_unmet("is not the gateway it should be")
            return
        self._is_met = True
        self._wait_no_more()
        head = wire.question_bytes(self._call.question)
        asked = self._keys.prove(ASKING, self._nonce, nonce, name, head)
        self._call.on_met(self, wire.frame(wire.OPEN, asked + head))

    def _on_fail(self, failure: WorkerFailed, *, is_gone: bool) -> None:
        self._is_over = True
        if is_gone and not self._has_head:
            self._call.on_no_way(failure, is_gone=True)
        else:
            self._call.on_fail(failure)

    # ── The end ────────────────────────────────────────────────────────────────────────

    def _wait_no_more(self) -> None:
        if self._patience is not None:
            self._patience.cancel()

    def _end_if_lost(self) -> None:
        if self._why_lost:
            self._end("reset", f"is gone: {self._why_lost}")

    def _end(self, reason: str, words: str) -> None:
        if not self._is_met:
            self._end_unmet(words)
            return
        self._is_over = True
        self._call.on_fail(WorkerFailed(reason, f"the gateway with its link {words}"))

    def _end_unmet(self, words: str) -> None:
        self.drop()
        failure = WorkerFailed("connect", f"the gateway with its link {words}")
        self._call.on_no_way(failure, is_gone=False)
