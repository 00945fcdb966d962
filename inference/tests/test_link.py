"""The connection to Valkey: whose silence it is, and what becomes of those who wait."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from inference.sources.link import Link, LinkDown
from inference.sources.url import ValkeyUrl

pytestmark = pytest.mark.anyio

TIMEOUT_S = 0.4
URL = os.environ.get("VALKEY_URL", "")  # noqa: TID251 - set by tests/servers.py


@asynccontextmanager
async def linked(url: ValkeyUrl) -> AsyncIterator[Link]:
    link = Link(url, timeout_s=TIMEOUT_S)
    link.start()
    assert await link.ready(3.0)
    yield link
    await link.stop()


def ask(link: Link, *parts: str) -> asyncio.Future[Any]:
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    link.call(*parts, then=future.set_result)
    return future


@pytest.fixture
async def troubles() -> list[dict[str, Any]]:
    """Collect what the loop is told of."""
    found: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, trouble: found.append(trouble))
    return found


async def test_our_own_absence_is_not_taken_for_valkeys() -> None:
    async with linked(ValkeyUrl.read(URL)) as link:
        # Before the question can leave: when we are back, nobody can have answered it yet.
        asyncio.get_running_loop().call_soon(time.sleep, 2 * TIMEOUT_S)
        reply = await asyncio.wait_for(ask(link, "ECHO", "still here"), 3)

        assert reply == b"still here"
        assert link.is_up


async def test_valkey_that_falls_silent_is_left_in_time_and_everyone_is_told(
    tmp_path: Path,
) -> None:
    async def greet_and_fall_silent(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await reader.readuntil(b"PING\r\n")
        writer.write(b"+PONG\r\n")
        await reader.read()
        writer.close()

    url = ValkeyUrl(path=str(tmp_path / "valkey"))
    server = await asyncio.start_unix_server(greet_and_fall_silent, url.path)
    async with linked(url) as link:
        asked_at = asyncio.get_running_loop().time()
        asked = asyncio.gather(ask(link, "GET", "a"), ask(link, "PING"))
        replies = await asyncio.wait_for(asked, 3)
        waited_s = asyncio.get_running_loop().time() - asked_at

        assert all(isinstance(reply, LinkDown) for reply in replies)
        assert not link.is_up
    server.close()
    assert TIMEOUT_S < waited_s < 4 * TIMEOUT_S


async def test_mistake_with_one_answer_costs_nobody_else_his(
    troubles: list[dict[str, Any]],
) -> None:
    def mistaken(_reply: object) -> None:
        raise IndexError("not of Valkey's making")

    async with linked(ValkeyUrl.read(URL)) as link:
        first = ask(link, "ECHO", "first")
        link.call("ECHO", "second", then=mistaken)
        last = ask(link, "ECHO", "last")

        assert [*await asyncio.wait_for(asyncio.gather(first, last), 3)] == [b"first", b"last"]
        assert link.is_up
    assert [str(trouble["exception"]) for trouble in troubles] == ["not of Valkey's making"]


async def test_mistake_with_the_bad_news_keeps_it_from_nobody_else(
    troubles: list[dict[str, Any]],
) -> None:
    def mistaken(_reply: object) -> None:
        raise RuntimeError("not of Valkey's making")

    async with linked(ValkeyUrl.read(URL)) as link:
        link.call("BLPOP", "nothing-comes-here", "30", then=mistaken)
        behind = ask(link, "PING")

    assert isinstance(await asyncio.wait_for(behind, 3), LinkDown)
    assert len(troubles) == 1
