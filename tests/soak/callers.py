"""Callers who ask, and of whom a third leaves at a moment nobody expects."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from dataclasses import dataclass, field
from random import Random

from tests.plane.caller import Connection, Heard, request
from tests.plane.workers import DONE, chunk, completion, delta
from tests.plane.world import ASK, CHAT, KEY, STREAM
from tests.soak.worker import EVENTS

LEAVE_SHARE = 1 / 3
THINK_S = 0.05
LARGE = b'{"model": "any", "messages": [{"role": "user", "content": "%b"}], "stream": true}'
PIECES = 5
PIECE = b"x" * 100_000
WHOLE_STREAM = delta("word") * EVENTS + DONE
MOMENTS = ("during the upload", "before the first byte", "mid-answer")


@dataclass
class Tally:
    """What the callers know. ``stayed`` holds the ids of answers that arrived whole."""

    stayed: set[str] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)
    kinds: Counter[str] = field(default_factory=Counter)
    departures: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


class Caller:
    """One who asks again and again, over one connection until it leaves."""

    leave_share = LEAVE_SHARE

    def __init__(self, name: str, port: int, tally: Tally, seed: int) -> None:
        self._name = name
        self._port = port
        self._tally = tally
        self._chance = Random(seed)
        self._connection: Connection | None = None
        self._count = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Ask until told to stop; then hang up."""
        while not stop.is_set():
            await self._one()
            await asyncio.sleep(self._chance.random() * THINK_S)
        self._leave()

    async def _one(self) -> None:
        self._count += 1
        name = f"{self._name}-{self._count}"
        kind = self._chance.choice(("plain", "stream", "stream", "large"))
        self._tally.asked.add(name)
        self._tally.kinds[kind] += 1
        leaves = self._chance.random() < self.leave_share
        try:
            connection = self._connection or await Connection.open(self._port)
            self._connection = connection
            if leaves:
                await self._leave_at(self._chance.choice(MOMENTS), connection, name, kind)
            else:
                await self._stay(connection, name, kind)
        except (OSError, asyncio.IncompleteReadError, TimeoutError, AssertionError) as fault:
            self._tally.faults.append(f"{name} ({kind}, leaves={leaves}): {fault!r}")
            self._leave()

    async def _stay(self, connection: Connection, name: str, kind: str) -> None:
        for part in parts_of(name, kind):
            await connection.send(part)
        self._take(await connection.answer(), name, kind)

    def _take(self, heard: Heard, name: str, kind: str) -> None:
        wanted = completion() if kind == "plain" else WHOLE_STREAM
        assert heard.status == 200, (heard.status, heard.body[:200])
        assert heard.complete, "the answer broke off"
        assert heard.body == wanted, f"{len(heard.body)} bytes, not {len(wanted)}"
        self._tally.stayed.add(name)

    async def _leave_at(self, moment: str, connection: Connection, name: str, kind: str) -> None:
        parts = parts_of(name, kind)
        self._tally.departures[moment] += 1
        if moment == "during the upload":
            last = parts[self._chance.randrange(len(parts))]
            for part in parts[: parts.index(last)]:
                await connection.send(part)
            await connection.send(last[: self._chance.randrange(1, len(last))])
        else:
            for part in parts:
                await connection.send(part)
            await asyncio.sleep(self._chance.random() * 0.02)
        if moment == "mid-answer":
            heard = await connection.head()
            for _ in range(self._chance.randrange(EVENTS)):
                await connection.piece(heard)
        self._leave()

    def _leave(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._chance.random() < 0.5:
            connection.reset()
        else:
            with contextlib.suppress(OSError):
                connection.writer.close()


def parts_of(name: str, kind: str) -> list[bytes]:
    """Write a request in the pieces in which it is sent."""
    headers = {"X-Request-ID": name}
    if kind != "large":
        return [request(CHAT, STREAM if kind == "stream" else ASK, key=KEY, headers=headers)]
    headers["Transfer-Encoding"] = "chunked"
    front, back = LARGE.split(b"%b")
    middle = [chunk(PIECE)] * PIECES
    head = request(CHAT, key=KEY, headers=headers)
    return [head + chunk(front), *middle, chunk(back) + b"0\r\n\r\n"]
