"""A pipelined connection to Valkey that answers by callback.

Calls made in one tick of the event loop leave in one write; replies come back in order and
are handed to whoever asked, without a future or a task. That is what makes one look-up cost
microseconds. Everything that is not the hot path uses the ordinary client instead.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Any, cast

import hiredis

from inference.sources.url import ValkeyUrl

OnReply = Callable[[Any], None]
Part = str | bytes | int | float
"""One argument of a command."""


class LinkDown(Exception):
    """Valkey can't be reached, or did not answer in time. Given to the callback, not raised."""


# hiredis types the argument as a tuple of one; it takes any number.
_pack: Callable[[tuple[Part, ...]], bytes] = hiredis.pack_command  # type: ignore[assignment]

ReplyError = hiredis.ReplyError
"""What Valkey says when it refuses a command. Given to the callback, not raised."""


class Link(asyncio.Protocol):
    """Keeps one connection open, reconnects by itself, fails what was under way when it breaks.

    A callback gets the reply, a ``ReplyError`` or a ``LinkDown``; never before ``call`` returns.
    """

    def __init__(self, url: ValkeyUrl, *, timeout_s: float = 1.0) -> None:
        self._url = url
        self._timeout_s = timeout_s
        self._loop = asyncio.get_running_loop()
        self._now: Callable[[], float] = self._loop.time
        self._reader = hiredis.Reader()
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[tuple[float, OnReply]] = deque()
        self._out: list[bytes] = []
        self._gatherers: list[Callable[[], None]] = []
        self._is_leaving = False
        self._keeper: asyncio.Task[None] | None = None
        self._lost = asyncio.Event()
        self._up = asyncio.Event()
        self._watch: asyncio.TimerHandle | None = None
        self._check_at = 0.0
        self.is_up = False
        self.on_up: list[Callable[[], None]] = []
        """Called each time the link came up."""

    def start(self) -> None:
        """Begin to connect, and go on for as long as the link is wanted."""
        if self._keeper is None:
            self._keeper = self._loop.create_task(self._keep())

    async def stop(self) -> None:
        """Close the connection for good."""
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
            self._keeper = None
        if self._transport is not None:
            self._transport.abort()

    async def ready(self, timeout_s: float) -> bool:
        """Wait until the link is up, for at most that long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._up.wait()
        return self.is_up

    def call(self, *parts: Part, then: OnReply) -> None:
        """Send one command; the reply goes to ``then``."""
        if not self.is_up:
            self._loop.call_soon(then, LinkDown("no connection to Valkey"))
            return
        self._put(_pack(parts), then)

    def send(self, packed: bytes, then: OnReply) -> None:
        """Send one command that is packed already: on the hot path most of it never changes."""
        if not self.is_up:
            self._loop.call_soon(then, LinkDown("no connection to Valkey"))
            return
        self._put(packed, then)

    def at_the_last(self, gather: Callable[[], None]) -> None:
        """Call this once, just before what was sent in this tick leaves.

        What it sends leaves with it, so that what belongs together can be said in one command.
        """
        self._gatherers.append(gather)
        self._leave_soon()

    def _leave_soon(self) -> None:
        if not self._is_leaving:
            self._is_leaving = True
            self._loop.call_soon(self._flush)

    def _put(self, packed: bytes, then: OnReply) -> None:
        self._leave_soon()
        self._out.append(packed)
        self._waiting.append((self._now(), then))
        if self._watch is None:
            self._watch_on()

    def _flush(self) -> None:
        gatherers, self._gatherers = self._gatherers, []
        for gather in gatherers:
            gather()
        self._is_leaving = False
        out, self._out = self._out, []
        if self._transport is not None and out:
            self._transport.write(out[0] if len(out) == 1 else b"".join(out))

    def _watch_on(self) -> None:
        self._check_at = self._now() + self._timeout_s / 4
        self._watch = self._loop.call_at(self._check_at, self._check)

    def _check(self) -> None:
        self._watch = None
        if not self._waiting:
            return
        now = self._now()
        # A check that comes late says that we were away: the answer may lie unread.
        was_away = now - self._check_at > self._timeout_s / 4
        if now - self._waiting[0][0] > self._timeout_s and not was_away:
            self._drop("Valkey does not answer")
        else:
            self._watch_on()

    # ── The connection ─────────────────────────────────────────────────────────────────

    async def _keep(self) -> None:
        pause_s = 0.02
        while True:
            self._lost.clear()
            try:
                async with asyncio.timeout(self._timeout_s):
                    await self._url.connect(self._loop, lambda: self)
            except (OSError, TimeoutError):
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, 0.5)
                continue
            pause_s = 0.02
            await self._lost.wait()
            await asyncio.sleep(pause_s)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet Valkey; the link is up once it has taken the greeting."""
        # Not asked by isinstance: uvloop's transport of a unix socket is not a subclass.
        self._transport = cast("asyncio.Transport", transport)
        self._reader = hiredis.Reader()
        self._out = []
        greeting = self._url.greeting()
        for command in greeting[:-1]:
            self._put(_pack(command), self._on_greeting)
        self._put(_pack(greeting[-1]), self._on_greeted)

    def _on_greeting(self, reply: Any) -> None:
        if isinstance(reply, Exception):
            self._drop(f"Valkey refused the greeting: {reply}")

    def _on_greeted(self, reply: Any) -> None:
        if isinstance(reply, Exception):
            self._drop(f"Valkey refused the greeting: {reply}")
            return
        self.is_up = True
        self._up.set()
        for listener in self.on_up:
            listener()

    def data_received(self, data: bytes) -> None:
        """Hand each reply to the one who waits for it."""
        self._reader.feed(data)
        try:
            while (reply := self._reader.gets()) is not False:
                self.tell(self._waiting.popleft()[1], reply)
        except (hiredis.ProtocolError, IndexError):
            self._drop("Valkey spoke nonsense")

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what was under way and connect again."""
        self._fail("the connection to Valkey was lost")
        self._transport = None
        self._lost.set()

    def _drop(self, why: str) -> None:
        self._fail(why)
        if self._transport is not None:
            self._transport.abort()

    def _fail(self, why: str) -> None:
        self.is_up = False
        self._up.clear()
        self._out = []
        waiting, self._waiting = self._waiting, deque()
        down = LinkDown(why)
        for _, then in waiting:
            self.tell(then, down)

    def tell(self, then: OnReply, reply: Any) -> None:
        """Hand over a reply, or a part of one; a fault of this one is not the others'."""
        try:
            then(reply)
        except Exception as fault:  # noqa: BLE001 - told; what all others wait for must come
            message = "An answer of Valkey could not be used."
            self._loop.call_exception_handler({"message": message, "exception": fault})
