"""A request on a link as whoever answers it sees it: a body to read, an answer to write."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from xim.link import frames, messages
from xim.link.frames import PAYLOAD_MAX, Code, Kind
from xim.link.messages import Ask
from xim.link.session import OpenStream, Session

UNSENT_MAX = 32 << 10
"""So much of an answer waits here; more waits in the engine's own connection."""


def _nobody() -> None:
    """Stand in for who would be told."""


class Gone(Exception):
    """The gateway broke the stream off, or the link is no more: nobody hears the answer."""


class HeadTooLarge(Exception):
    """The head of an answer is larger than a frame."""


class Stream:
    """Reads the body of one request, and writes its answer, both no faster than may be."""

    def __init__(self, session: Session, state: OpenStream, wake: Callable[[], None]) -> None:
        self.ask: Ask = state.ask
        self.on_broken: Callable[[], object] = _nobody
        self._is_broken = False
        self._session = session
        self._state = state
        self._wake = wake
        self._pieces: deque[bytes] = deque()
        self._moved = asyncio.Event()

    def fed(self, piece: bytes, *, ends: bool) -> None:
        """Take a piece of the body."""
        del ends  # The session knows; read() asks it.
        if piece:
            self._pieces.append(piece)
        self._moved.set()

    def credited(self) -> None:
        """Hear that more of the answer may go."""
        self._wake()

    def sent(self) -> None:
        """Hear that a piece of the answer went."""
        self._moved.set()

    def broken_off(self, code: int, detail: str) -> None:
        """Hear that nobody wants the answer any more."""
        del code, detail
        self._is_broken = True
        self._moved.set()
        self.on_broken()

    async def read(self) -> bytes:
        """Return the next piece of the body; nothing at its end."""
        while not self._pieces:
            if self._state.body_ended:
                return b""
            await self._move()
        piece = self._pieces.popleft()
        self._session.consumed(self._state, len(piece))
        self._wake()
        return piece

    def begin(self, status: int, lines: bytes) -> None:
        """Send the head of the answer; raises ``HeadTooLarge`` if it fits no frame."""
        payload = messages.answer_head(status, lines)
        if len(payload) > PAYLOAD_MAX:
            raise HeadTooLarge(f"a head of {len(payload)} bytes fits no frame")
        self._check()
        self._session.turns.say(frames.encode(Kind.HEADERS, payload, stream=self._state.number))
        self._wake()

    async def write(self, piece: bytes) -> None:
        """Send a piece of the answer; wait while too much of it waits."""
        self._check()
        self._state.outflow.put(piece)
        self._session.turns.wake(self._state.number)
        self._wake()
        while self._state.outflow.unsent > UNSENT_MAX:
            await self._move()

    async def end(self) -> None:
        """Say that the answer is whole, and wait until all of it went."""
        self._check()
        self._state.outflow.end()
        self._session.turns.wake(self._state.number)
        self._wake()
        await self.flushed()
        self._session.close(self._state)

    async def flushed(self) -> None:
        """Wait until what was written went."""
        while self._state.outflow.unsent or self._state.outflow.is_ready:
            await self._move()

    def refuse(self, code: Code, detail: str = "", *, untouched: bool = False) -> None:
        """Break the stream off."""
        self._session.break_off(self._state, code, detail, untouched=untouched)
        self._wake()

    def _check(self) -> None:
        if self._is_broken:
            raise Gone

    async def _move(self) -> None:
        self._check()
        self._moved.clear()
        await self._moved.wait()
        self._check()
