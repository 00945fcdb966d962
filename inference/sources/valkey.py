"""Entries and changes from Valkey."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, cast

import hiredis

from inference.contracts.names import CHANGES
from inference.gate.tables import OnTexts, Tables
from inference.sources.link import Link
from inference.sources.url import ValkeyUrl

PING_EVERY_S = 0.25
SILENCE_S = 0.75
CONNECT_S = 1.0

_PING = b"*1\r\n$4\r\nPING\r\n"


class ValkeySource:
    """Reads entries with one ``MGET``."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def read(self, keys: Sequence[str], then: OnTexts) -> None:
        """Read entries; a failure is told, not raised."""

        def on_reply(reply: Any) -> None:
            then(None if isinstance(reply, Exception) else reply)

        self._link.call("MGET", *keys, then=on_reply)


class Changes(asyncio.Protocol):
    """Listens to the channel of changes and tells the tables, also when it hears nothing.

    A subscription can die without a word. So it is asked four times a second, and after
    three quarters of a second without an answer nothing in memory is used unread. ``hears``: who
    takes what is said on other channels, by their names; whatever they are, they are never late.
    """

    def __init__(self, url: ValkeyUrl, tables: Tables) -> None:
        self.hears: dict[str, Callable[[bytes], None]] = {}
        self._url = url
        self._tables = tables
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader()
        self._transport: asyncio.Transport | None = None
        self._subscribed = False
        self._heard_at = 0.0
        self._asked: deque[float] = deque()
        self._gone = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to listen, and go on for as long as it is wanted."""
        self._keeper = self._loop.create_task(self._keep())

    async def stop(self) -> None:
        """Stop listening."""
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
        if self._transport is not None:
            self._transport.abort()

    async def _keep(self) -> None:
        while True:
            self._gone.clear()
            try:
                async with asyncio.timeout(CONNECT_S):
                    await self._url.connect(self._loop, lambda: self)
            except (OSError, TimeoutError):
                await asyncio.sleep(PING_EVERY_S)
                continue
            await self._ping_while_heard()
            self._tables.deafen()
            if self._transport is not None:
                self._transport.abort()
            await asyncio.sleep(0.05)

    async def _ping_while_heard(self) -> None:
        was_away = False
        while not self._gone.is_set() and (was_away or self._is_heard()):
            if self._transport is not None and self._subscribed:
                self._transport.write(_PING)
                self._asked.append(self._loop.time())
            check_at = self._loop.time() + PING_EVERY_S
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(check_at):
                    await self._gone.wait()
            # A check that comes late says that we were away: the silence was ours.
            was_away = self._loop.time() - check_at > PING_EVERY_S

    def _is_heard(self) -> bool:
        return self._loop.time() - self._heard_at < SILENCE_S

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet and subscribe."""
        # Not asked by isinstance: uvloop's transport of a unix socket is not a subclass.
        self._transport = cast("asyncio.Transport", transport)
        self._reader = hiredis.Reader()
        self._subscribed = False
        self._heard_at = self._loop.time()
        self._asked = deque((self._heard_at,))
        for command in self._url.greeting():
            self._transport.write(hiredis.pack_command(command))  # type: ignore[arg-type] # any length
        for channel in (CHANGES, *self.hears):
            command = ("SUBSCRIBE", channel)
            self._transport.write(hiredis.pack_command(command))  # type: ignore[arg-type] # any length

    def connection_lost(self, exc: Exception | None) -> None:
        """Trust nothing until the channel is heard again."""
        self._transport = None
        self._tables.deafen()
        self._gone.set()

    def data_received(self, data: bytes) -> None:
        """Take confirmations, pongs and messages."""
        self._reader.feed(data)
        try:
            while (reply := self._reader.gets()) is not False:
                self._on_reply(reply)
        except hiredis.ProtocolError:
            if self._transport is not None:
                self._transport.abort()

    def _on_reply(self, reply: Any) -> None:
        if isinstance(reply, hiredis.ReplyError):
            self._on_error()
            return
        if not isinstance(reply, list) or _is_of_another(reply):
            return
        if reply[0] == b"subscribe":
            self._subscribed = True
            self._tables.deafen()  # What was read before may have changed unheard.
        elif reply[0] == b"message":
            self._on_message(reply[1].decode(), reply[2])
        if self._subscribed:
            self._heard_at = self._loop.time()
        if reply[0] != b"message" and self._asked:
            # Believed from when it was asked for: the answer may have lain unread for long.
            self._tables.hear(self._asked.popleft() + SILENCE_S)

    def _on_error(self) -> None:
        # A server whose users were made for an earlier version may refuse the other channels.
        if self._transport is not None and not self._subscribed:
            self._transport.abort()

    def _on_message(self, channel: str, said: bytes) -> None:
        hear = self.hears.get(channel)
        if hear is None:
            self._tables.announce(said)
        else:
            hear(said)


def _is_of_another(reply: list[Any]) -> bool:
    """Say whether it confirms a channel that nothing depends on."""
    return reply[0] == b"subscribe" and CHANGES.encode() not in reply
