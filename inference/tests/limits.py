"""A gateway's limiter on the real Valkey of the test run, and a wire between them to cut."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import redis

from inference.admission.journal import Journal
from inference.admission.limiter import ValkeyLimiter
from inference.admission.outage import OutageShare
from inference.admission.ports import Ask, Verdict
from inference.admission.reaper import Reaper
from inference.admission.upkeep import Upkeep
from inference.contracts.names import SHARDS, shard_tag
from inference.sources.link import Link
from inference.sources.url import ValkeyUrl
from inference.tests.valkey import LIBRARY, URL

PATIENCE_S = 5.0
DATABASE = 9


class Wire:
    """A relay on a unix socket. ``cut`` breaks what runs and refuses what comes."""

    def __init__(self, path: str, there: ValkeyUrl) -> None:
        self.path = path
        self._there = there
        self._writers: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None
        self.swallows = False
        """Whether answers are kept back, while calls still arrive."""

    async def mend(self) -> None:
        self.swallows = False
        self._server = await asyncio.start_unix_server(self._serve, self.path)

    async def cut(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()
        self._remove()

    def is_whole(self) -> bool:
        return Path(self.path).exists()

    def _remove(self) -> None:
        Path(self.path).unlink()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = self._there
        if there.path:
            far_reader, far_writer = await asyncio.open_unix_connection(there.path)
        else:
            far_reader, far_writer = await asyncio.open_connection(there.host, there.port)
        self._writers += [writer, far_writer]
        await asyncio.gather(self._copy(reader, far_writer), self._answer(far_reader, writer))

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
        writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                if not self.swallows:
                    writer.write(data)
        writer.transport.abort()


@dataclass
class Stage:
    """A limiter with everything around it. ``lost`` holds events that found no room."""

    wire: Wire
    link: Link
    journal: Journal
    limiter: ValkeyLimiter
    reaper: Reaper
    upkeep: Upkeep
    valkey: Any
    lost: list[str] = field(default_factory=list)

    async def admit(self, ask: Ask) -> Verdict:
        return await answer_to(lambda tell: self.limiter.admit(ask, tell))

    async def renew(self, ask: Ask, tokens: int) -> Verdict:
        return await answer_to(lambda tell: self.limiter.renew(ask.request_id, tokens, tell))

    async def cut(self) -> None:
        await self.wire.cut()
        await until(lambda: not self.link.is_up)

    async def mend(self) -> None:
        await self.wire.mend()
        await until(lambda: self.link.is_up)

    def account(self, project: str) -> dict[str, int]:
        raw = self.valkey.hgetall(f"{shard_tag(project)}:p:{project}")
        return {name: int(value) for name, value in raw.items()}

    def events(self) -> list[dict[str, str]]:
        """Return every usage event of every shard."""
        return [
            fields
            for shard in range(SHARDS)
            for _, fields in self.valkey.xrange(f"{{s{shard}}}:usage")
        ]


async def answer_to(call: Callable[[Callable[[Verdict], None]], object]) -> Verdict:
    """Make a call of the limiter and wait for its one verdict."""
    future: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
    call(future.set_result)
    async with asyncio.timeout(PATIENCE_S):
        return await future


async def until(holds: Callable[[], object]) -> None:
    """Wait until something holds, for a bounded time."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110 - what is waited for happens in another process
            await asyncio.sleep(0.005)


def same_valkey() -> Any:
    """Return a client of the stage's database, as it is."""
    client: Any = redis.Redis.from_url(URL, decode_responses=True)
    client.connection_pool.connection_kwargs["db"] = DATABASE
    return client


def fresh_valkey() -> Any:
    """Return a client of an empty database with its 64 shards open."""
    client = same_valkey()
    client.flushdb()
    client.function_load(LIBRARY.read_text(), replace=True)
    open_shards(client)
    return client


def open_shards(client: Any) -> None:
    """Say that there is nothing to restore."""
    for shard in range(SHARDS):
        client.fcall("xt1_open", 1, f"{{s{shard}}}", 0, "")


@asynccontextmanager
async def stage_in(
    home: Path, *, share: OutageShare | None = None, valkey: Any = None
) -> AsyncIterator[Stage]:
    """Put a limiter on stage, on a fresh database unless one is given."""
    url = replace(ValkeyUrl.read(URL), db=DATABASE)
    valkey = valkey or fresh_valkey()
    loop = asyncio.get_running_loop()
    with tempfile.TemporaryDirectory(prefix="xt") as folder:
        wire = Wire(f"{folder}/w", url)
        await wire.mend()
        link = Link(replace(url, path=wire.path), timeout_s=2.0)
        journal = Journal(home)
        journal.open()
        lost: list[str] = []
        limiter = ValkeyLimiter(link, journal, loop.time, lost.append, share)
        reaper = Reaper(link, loop.time)
        upkeep = Upkeep(link, limiter, journal, reaper, lambda *_args, **_facts: None)
        stage = Stage(wire, link, journal, limiter, reaper, upkeep, valkey, lost)
        link.start()
        assert await link.ready(PATIENCE_S)
        yield stage
        await upkeep.stop()
        await link.stop()
        await journal.close()
        if wire.is_whole():
            await wire.cut()
    valkey.close()
