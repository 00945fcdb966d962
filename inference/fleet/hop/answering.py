"""The answerer's end of a connection between gateways: asks the agent over a link of ours.

Only over a link of ours: what came by a hop never hops again, whatever the asker believes.
Nothing is admitted or metered here, the asker has done that. Until it has proven what it is,
nobody is asked anything, and what it says is bounded in bytes and time.
"""

from __future__ import annotations

import asyncio
import secrets
from abc import ABC, abstractmethod
from typing import Any, Final

from inference.fleet.hop import wire
from inference.fleet.hop.proof import ANSWERING, ASKING, NONCE_BYTES
from inference.fleet.hop.wire import Nonsense, Question
from inference.fleet.ports import Answer, Call, WorkerFailed
from inference.http.lines import Headers

UNSENT: Final = 64 * 1024
WINDOW: Final = 64 * 1024
"""Bytes of a streamed body that may be on their way here."""


class Host(ABC):
    """What all such connections share.

    ``name``: this gateway's; ``patience_s``: how long an asker may take to prove what it is.
    """

    name: bytes
    body_max: int
    patience_s: float

    @abstractmethod
    def sign(self, *parts: bytes) -> bytes:
        """Prove that this is a gateway."""

    @abstractmethod
    def believe(self, proof: bytes, *parts: bytes) -> bool:
        """Say whether a gateway asks this."""

    @abstractmethod
    def refusal(self, question: Question) -> WorkerFailed | None:
        """Say why a question can't be asked here, if it can't."""

    @abstractmethod
    def ask(self, question: Question, body: bytes | None, answer: Answer) -> Call:
        """Ask the agent, over a link of ours."""

    @abstractmethod
    def opened(self, end: AnsweringEnd) -> None:
        """Learn that one is there."""

    @abstractmethod
    def met(self, end: AnsweringEnd) -> None:
        """Learn that a gateway is at the other end."""

    @abstractmethod
    def closed(self, end: AnsweringEnd) -> None:
        """Learn that one is gone."""

    @abstractmethod
    def count(self, what: str) -> None:
        """Count what was refused, and why: ``forged``, ``nonsense``, ``late``."""


class AnsweringEnd(asyncio.Protocol):
    """See the module. It serves one question, and is what takes the agent's answer."""

    transport: asyncio.Transport

    def __init__(self, host: Host) -> None:
        self._host = host
        self._reader = wire.Reader()
        self._nonce = secrets.token_bytes(NONCE_BYTES)
        self._asker_nonce = b""
        self._question: Question | None = None
        self._call: Call | None = None
        self._body: list[bytes] = []
        self._arrived = self._granted = 0
        self._is_over = self._is_whole = False
        self._patience: asyncio.TimerHandle | None = None

    @property
    def is_asking(self) -> bool:
        """Say whether an agent has more to say, as far as is known."""
        return self._call is not None

    # ── What asyncio says ──────────────────────────────────────────────────────────────

    def connection_made(self, transport: Any) -> None:
        """Wait a moment for who it is."""
        self.transport = transport
        transport.set_write_buffer_limits(high=UNSENT)
        loop, patience_s = asyncio.get_running_loop(), self._host.patience_s
        self._patience = loop.call_later(patience_s, self._drop, "late")
        self._host.opened(self)

    def data_received(self, data: bytes) -> None:
        """Take one read."""
        if not self._is_over:
            self._reader.feed(data)
            self._read()

    def pause_writing(self) -> None:
        """Take no more of the agent's answer: the asker is slow."""
        if self._call is not None:
            self._call.pause()

    def resume_writing(self) -> None:
        """Go on."""
        if self._call is not None:
            self._call.resume()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give up: nobody waits for an answer any more."""
        self._is_over = True
        if self._patience is not None:
            self._patience.cancel()
        call, self._call = self._call, None
        if call is not None:
            call.abort()
        self._host.closed(self)

    # ── What the asker says ────────────────────────────────────────────────────────────

    def _read(self) -> None:
        try:
            while not self._is_over and (said := self._reader.next()) is not None:
                self._take(*said)
        except Nonsense:
            self._drop("nonsense")

    def _take(self, kind: int, flags: int, payload: bytes) -> None:
        if kind == wire.HELLO and not self._asker_nonce:
            self._on_hello(wire.read_nonce(payload))
        elif kind == wire.OPEN and self._asker_nonce and self._question is None:
            self._on_open(*wire.read_open(payload))
        elif kind == wire.DATA and self._question is not None and not self._is_whole:
            self._on_body(self._question, payload, is_last=flags & wire.FIN != 0)
        else:
            raise Nonsense("a frame that may not come now")

    def _on_hello(self, nonce: bytes) -> None:
        self._asker_nonce = nonce
        proof = self._host.sign(ANSWERING, nonce, self._nonce, self._host.name)
        self._write(wire.frame(wire.GREETING, self._nonce + proof))

    def _on_open(self, proof: bytes, head: bytes) -> None:
        parts = (self._asker_nonce, self._nonce, self._host.name, head)
        if not self._host.believe(proof, ASKING, *parts):
            self._drop("forged")
            return
        if self._patience is not None:
            self._patience.cancel()
        self._host.met(self)
        self._question = question = wire.read_question(head)
        failure = self._host.refusal(question)
        if failure is not None:
            self._end(wire.fail_frame(failure, is_gone=True))
        elif question.length == wire.STREAMED:
            self._call = self._host.ask(question, None, self)
            self._grant()

    def _on_body(self, asked: Question, data: bytes, *, is_last: bool) -> None:
        self._arrived += len(data)
        self._is_whole = is_last
        if asked.length != wire.STREAMED:
            self._gather(asked, data)
        elif self._arrived > self._granted:
            raise Nonsense("more than was granted")
        elif self._call is not None and not self._is_over:
            may_go_on = self._call.write(data)
            if is_last:
                self._call.end()
            elif may_go_on and self._granted - self._arrived <= WINDOW // 2:
                self._grant()

    def _gather(self, asked: Question, data: bytes) -> None:
        self._body.append(data)
        if self._arrived > asked.length or (self._is_whole and self._arrived != asked.length):
            raise Nonsense("a body of another length")
        if self._is_whole:
            body, self._body = b"".join(self._body), []
            self._call = self._host.ask(asked, body, self)

    def _grant(self) -> None:
        self._granted = self._arrived + WINDOW
        self._write(wire.credit_frame(self._granted))

    # ── What the agent says ────────────────────────────────────────────────────────────

    def on_head(self, status: int, headers: Headers) -> None:
        """Pass it on."""
        self._write(wire.headers_frame(status, headers))

    def on_data(self, data: bytes) -> None:
        """Pass it on."""
        for piece in wire.data_frames(data):
            self._write(piece)

    def on_drain(self) -> None:
        """Let more of the body come."""
        if not self._is_whole:
            self._grant()

    def on_end(self) -> None:
        """Pass it on, and close."""
        self._call = None
        self._end(wire.frame(wire.DATA, b"", wire.FIN))

    def on_fail(self, failure: WorkerFailed) -> None:
        """Pass it on, and close."""
        self._call = None
        self._end(wire.fail_frame(failure))

    # ── Parts ──────────────────────────────────────────────────────────────────────────

    def _write(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(data)

    def _end(self, last: bytes) -> None:
        """Say the last word, and leave it to the asker to close.

        A socket that is closed with something unread in it takes back what it said last.
        """
        self._is_over = True
        self._write(last)
        if not self.transport.is_closing():
            self.transport.write_eof()

    def _drop(self, why: str) -> None:
        self._is_over = True
        self._host.count(why)
        self.transport.abort()
