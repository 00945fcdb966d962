"""What a gateway does beside serving, once a second: leases, the journal's replay, reaping.

One task, so that nothing here happens twice at once. It comes to life at once when the link
comes up: Valkey may have lost its last second, or everything, and has to be told again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Any, Final

from inference.admission import commands, verdicts
from inference.admission.journal import Journal
from inference.admission.limiter import ValkeyLimiter
from inference.admission.reaper import Reaper
from inference.admission.segment import Entry, Segment, place_of
from inference.contracts.names import SHARDS, usage_watermark
from inference.sources.link import Link, LinkDown, ReplyError

EVERY_S: Final = 1.0
SOON_S: Final = 0.1
"""Between two looks whether Valkey has its counters back."""
WINDOW: Final = 128
"""Ends told again at once: little enough not to delay the living."""
LOSABLE_S: Final = 3.0
"""What a Valkey that was killed may have lost of its append-only file: it is synced each second,
and while one sync takes its time the next writes wait, for two seconds at most."""


class Watermarks:
    """Up to where PostgreSQL has each stream, and Valkey can't have forgotten it again.

    What PostgreSQL has may still be lost in Valkey, with the charge that went with it. So a
    watermark counts only when it was seen ``after_s`` ago.
    """

    def __init__(self, after_s: float = LOSABLE_S) -> None:
        self.after_s = after_s
        self.safe = [0] * SHARDS
        self._seen: deque[tuple[float, list[int]]] = deque()

    def note(self, now: float, marks: list[int]) -> None:
        """Take the watermarks of this moment; those that are old enough become ``safe``."""
        self._seen.append((now, marks))
        while self._seen and self._seen[0][0] <= now - self.after_s:
            self.safe = self._seen.popleft()[1]

    def forget(self) -> None:
        """Take back what is not safe yet: Valkey may have lost it."""
        self._seen.clear()


class Upkeep:
    """See the module. ``say`` takes an event's name and its facts, for the log."""

    def __init__(
        self,
        link: Link,
        limiter: ValkeyLimiter,
        journal: Journal,
        reaper: Reaper,
        say: Callable[..., None],
    ) -> None:
        self._link = link
        self._limiter = limiter
        self._journal = journal
        self._reaper = reaper
        self._say = say
        self._run_id = b""
        self._epochs: list[bytes | None] = []
        self._watermarks = Watermarks()
        self._again = True
        """Whether Valkey may have lost ends that it had acknowledged."""
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        link.on_up.append(self._wake.set)

    def start(self) -> None:
        """Begin, and go on until stopped."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Stop. What is not settled stays in the journal."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            try:
                await self.turn()
            except LinkDown:
                pass  # It is told to everyone who waits for an answer; there is a next time.
            except ReplyError as fault:
                self._say("upkeep_refused", "error", reason=str(fault))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(EVERY_S if self._limiter.is_restored else SOON_S):
                    await self._wake.wait()

    def open_journal(self) -> bool:
        """Open the journal unless it is; say why if it can't be."""
        if self._journal.is_open:
            return True
        try:
            self._journal.open()
        except OSError as fault:
            self._say("journal_not_opened", "critical", reason=str(fault))
            return False
        return True

    async def turn(self) -> None:
        """Do everything once. Raises ``LinkDown`` if Valkey goes away meanwhile."""
        if not self.open_journal():
            return
        came_up = self._wake.is_set()
        self._wake.clear()
        self._limiter.keep_leases()
        if not self._link.is_up:
            return
        if came_up and await self._meet_server():
            self._again = True
        marks = await self._look()
        if self._again:
            self._watermarks.forget()
        if not self._limiter.is_restored:
            return
        if self._again or self._limiter.is_behind:
            await self._replay()
        if not self._again:
            self._watermarks.note(asyncio.get_running_loop().time(), marks)
            self._journal.confirm(self._watermarks.safe)
        await self._reaper.turn()

    async def _meet_server(self) -> bool:
        """Say whether this is not the server we knew: it may have lost its last second."""
        info = await self._ask("INFO", "server")
        facts = dict(line.split(b":", 1) for line in info.splitlines() if b":" in line)
        known, self._run_id = self._run_id, facts[b"run_id"]
        self._reaper.came_up()
        return known != self._run_id

    async def _look(self) -> list[int]:
        """Return up to where PostgreSQL has each stream, and see whether all was lost meanwhile."""
        names = [f"{{s{shard}}}:epoch" for shard in range(SHARDS)]
        names += [usage_watermark(shard) for shard in range(SHARDS)]
        said = await self._ask("MGET", *names)
        epochs, marks = said[:SHARDS], said[SHARDS:]
        if epochs != self._epochs:
            self._epochs, self._again = epochs, True
        self._limiter.is_restored = None not in epochs
        return [place_of(text) if text else 0 for text in marks]

    async def _replay(self) -> None:
        """Tell Valkey every end it has no place for; after a loss, all that PostgreSQL lacks.

        What PostgreSQL has is what was known before the loss: places in the streams that are
        gone say nothing about those that came after them.
        """
        self._limiter.is_behind = False
        if self._again:
            # If all was lost without a break in the link, nobody has yet.
            self._limiter.assert_running()
        entries = self._journal.open_entries(self._watermarks.safe, again=self._again)
        told = 0
        while batch := list(islice(entries, WINDOW)):
            told += await self._settle_again(batch)
        if not self._limiter.is_behind:
            self._again = False
        if told:
            self._say("journal_replayed", "info", entries=told)

    async def _settle_again(self, batch: list[tuple[Segment, Entry]]) -> int:
        replies = await asyncio.gather(*(self._tell_again(entry.payload) for _, entry in batch))
        for (segment, entry), reply in zip(batch, replies, strict=True):
            if not isinstance(reply, list) or reply[0] == verdicts.UNRESTORED:
                self._limiter.is_behind = True
            else:
                segment.settle(entry.at, place_of(reply[1] or b"0-1"), entry.shard)
        return len(batch)

    async def _tell_again(self, payload: bytes) -> Any:
        event = json.loads(payload)
        if event.get("void"):
            reply = await self._send(commands.void_again(event))
            if reply != verdicts.REAPED:
                return [reply, b""] if isinstance(reply, bytes) else reply
        # Also of a request that never ran, but was charged as an orphan: that is amended.
        return await self._send(commands.settle_again(event, payload))

    async def _ask(self, *parts: str | int) -> Any:
        future = asyncio.get_running_loop().create_future()
        self._link.call(*parts, then=lambda reply: _resolve(future, reply))
        reply = await future
        if isinstance(reply, Exception):
            raise reply
        return reply

    def _send(self, packed: bytes) -> asyncio.Future[Any]:
        future = asyncio.get_running_loop().create_future()
        self._link.send(packed, lambda reply: _resolve(future, reply))
        return future


def _resolve(future: asyncio.Future[Any], reply: Any) -> None:
    if not future.done():
        future.set_result(reply)
