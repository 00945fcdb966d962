"""The subscription to changes: whose silence it is, and how long a sign of life is believed."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from inference.gate.tables import Tables
from inference.sources.url import ValkeyUrl
from inference.sources.valkey import SILENCE_S, Changes
from inference.tests.limits import until
from inference.tests.test_tables import ScriptedSource

pytestmark = pytest.mark.anyio

URL = os.environ.get("VALKEY_URL", "")  # noqa: TID251 - set by tests/servers.py
SUBSCRIBED = b"*3\r\n$9\r\nsubscribe\r\n$10\r\nxt:changes\r\n:1\r\n"
PONG = b"*2\r\n$4\r\npong\r\n$0\r\n\r\n"


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def pretended(path: Path, serve: Serve) -> AsyncIterator[ValkeyUrl]:
    """Run a server in Valkey's place, and wait until it has let go of everyone."""
    served: set[asyncio.Event] = set()

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        end = asyncio.Event()
        served.add(end)
        writer.write(SUBSCRIBED)
        await serve(reader, writer)
        await reader.read()
        writer.close()
        end.set()

    server = await asyncio.start_unix_server(one, path)
    yield ValkeyUrl(path=str(path))
    server.close()
    await asyncio.wait_for(asyncio.gather(*(end.wait() for end in served)), 3)


@asynccontextmanager
async def listening(url: ValkeyUrl) -> AsyncIterator[tuple[Changes, Tables]]:
    tables = Tables(ScriptedSource(), asyncio.get_running_loop().time)
    changes = Changes(url, tables)
    changes.start()
    await until(tables.is_hearing)
    yield changes, tables
    await changes.stop()


async def test_our_own_absence_is_not_taken_for_valkeys() -> None:
    async with listening(ValkeyUrl.read(URL)) as (changes, tables):
        connection = changes._transport

        # Nothing was asked meanwhile, so that nothing can have been answered when we are back.
        asyncio.get_running_loop().call_soon(time.sleep, 2 * SILENCE_S)
        await asyncio.sleep(0)

        assert not tables.is_hearing()
        await until(tables.is_hearing)
        assert changes._transport is connection


async def test_valkey_that_falls_silent_is_left_in_time(tmp_path: Path) -> None:
    connected: list[float] = []

    async def fall_silent(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        connected.append(asyncio.get_running_loop().time())

    async with pretended(tmp_path / "valkey", fall_silent) as url, listening(url):
        await until(lambda: len(connected) > 1)

    assert SILENCE_S <= connected[1] - connected[0] < 2 * SILENCE_S


async def test_answer_that_lay_unread_is_believed_from_when_it_was_asked_for(
    tmp_path: Path,
) -> None:
    asked: list[float] = []

    async def answer_once_while_nobody_reads(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await reader.readuntil(b"SUBSCRIBE")
        await reader.readuntil(b"PING\r\n")
        asked.append(asyncio.get_running_loop().time())
        writer.write(PONG)
        time.sleep(2 * SILENCE_S)  # noqa: ASYNC251 - the process was stopped, not this alone

    async with (
        pretended(tmp_path / "valkey", answer_once_while_nobody_reads) as url,
        listening(url) as (changes, tables),
    ):
        await until(lambda: asked and changes._heard_at > asked[0] + SILENCE_S)

        assert not tables.is_hearing()
