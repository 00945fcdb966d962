"""What strangers do to servers, to pages and to inference alike.

Where the vectors of the reliability page are met (letters are theirs):

==== ================================================================================
A1   ``test_connection`` (malformed heads and bodies), ``test_fuzz`` (mutated ones)
A2   here (root path), ``test_connection`` (forwarded, underscores)
A3   here, ``test_connection`` and ``test_waits`` (silent and dribbling callers)
A4   ``test_pressure`` (inference), here (pages)
A5   here (single-byte chunks, announced lengths), ``test_pressure`` (too large)
A6   here
A7   ``tests/run/test_fall_through`` (nothing here takes a WebSocket)
A8   ``test_departures`` (half-close is leaving)
A9   ``test_connection`` (h2c, CONNECT), here (TRACE)
A10  ``bench.streams`` (5,000 streams)
==== ================================================================================
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from inference.exchange.config import PlaneConfig
from tests.plane.caller import Connection, request
from tests.plane.conftest import Hire, Running, serve, until
from tests.plane.test_connection import PAGE, Pages
from tests.plane.test_pressure import stalled
from tests.plane.workers import answer, chunk, completion
from tests.plane.world import ASK, CHAT, KEY, World

pytestmark = pytest.mark.anyio

PLACES = [pytest.param("/page", id="page"), pytest.param(CHAT, id="inference")]
REFUSALS = (400, 431)
"""The core knows no 431: of a head that it has taken already it says 400."""
HOST = "Host: localhost\r\n"


@pytest.fixture
async def pages() -> Pages:
    return Pages()


@pytest.fixture
async def both(config: PlaneConfig, world: World, pages: Pages) -> AsyncIterator[Running]:
    async with serve(config, behind=pages) as running:
        yield running


def nothing_happened(running: Running, world: World, pages: Pages) -> bool:
    return not (pages.bodies or world.events() or running.gateway.plane.running)


async def push(caller: Connection, data: bytes) -> None:
    """Send as much as the other side takes."""
    with contextlib.suppress(ConnectionError):  # It has hung up, which is what is asked of it.
        await caller.send(data)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "lines",
    [
        pytest.param("X: " + "a" * 1_000_000 + "\r\n", id="1 MB field"),
        pytest.param("".join(f"X-{n}: 1\r\n" for n in range(10_000)), id="10,000 fields"),
        pytest.param("X: 1\r\n" * 101, id="101 fields"),
    ],
)
async def test_head_beyond_the_bounds_is_refused_and_reaches_nobody(
    both: Running, world: World, pages: Pages, place: str, lines: str
) -> None:
    caller = await both.connect()

    sending = asyncio.ensure_future(
        push(caller, f"POST {place} HTTP/1.1\r\n{HOST}{lines}\r\n".encode())
    )
    heard = await caller.answer()
    await sending

    assert (heard.status, heard.header("connection")) == (431, "close")
    assert nothing_happened(both, world, pages)


@pytest.mark.parametrize("place", PLACES)
async def test_target_beyond_the_bounds_is_refused(
    both: Running, world: World, pages: Pages, place: str
) -> None:
    heard = await both.ask(request(f"{place}?{'q' * 100_000}", method="GET"))

    assert heard.status == 431
    assert nothing_happened(both, world, pages)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "flood",
    [
        pytest.param(b"0\r\n" + b"X-T: 1\r\n" * 100_000, id="trailers"),
        pytest.param(b"0\r\nX-T: " + b"t" * 1_000_000, id="one long trailer"),
        pytest.param(b"5;a=" + b"e" * 1_000_000, id="a long chunk extension"),
    ],
)
async def test_what_is_neither_head_nor_body_has_bounds_too(
    config: PlaneConfig, world: World, hire: Hire, pages: Pages, place: str, flood: bytes
) -> None:
    worker = await hire([answer(completion())])

    async with serve(config, behind=pages) as running:
        caller = await running.connect()
        head = request(place, key=KEY, headers={"Transfer-Encoding": "chunked"})
        sending = asyncio.ensure_future(push(caller, head + chunk(b"{}") + flood))
        heard = await caller.answer()
        assert await caller.closed()
        await sending

    assert (heard.status in REFUSALS, heard.header("connection")) == (True, "close")
    assert worker.asked == []
    assert pages.bodies == []


@pytest.mark.parametrize("method", ["TRACE", "TRACK", "PROPFIND"])
async def test_methods_nobody_needs_reach_no_worker(
    both: Running, hire: Hire, world: World, method: str
) -> None:
    worker = await hire([answer(completion())])

    heard = await both.ask(request(CHAT, ASK, key=KEY, method=method))

    assert heard.status in (400, 405)
    assert worker.asked == []
    assert world.events() == []


async def test_nobody_moves_the_root_of_the_site(both: Running, pages: Pages) -> None:
    lies = {"Daphne-Root-Path": "/x", "Script-Name": "/x", "X-Script-Name": "/x"}

    await both.ask(request("/x/page", method="GET", headers=lies))

    [scope] = pages.seen
    assert (scope["path"], scope["root_path"]) == ("/x/page", "")


@pytest.mark.parametrize("place", PLACES)
async def test_body_of_single_bytes_is_read_as_any_other(
    both: Running, hire: Hire, pages: Pages, place: str
) -> None:
    worker = await hire([answer(completion())])
    body = b'{"model":"m","messages":[{"role":"user","content":"%b"}]}' % (b"x" * 20_000)
    caller = await both.connect()

    await caller.send(request(place, key=KEY, headers={"Transfer-Encoding": "chunked"}))
    await caller.send(b"".join(chunk(body[at : at + 1]) for at in range(len(body))) + b"0\r\n\r\n")
    heard = await caller.answer()

    assert heard.status == 200
    assert [*pages.bodies, *(asked.body for asked in worker.asked)] == [body]


@pytest.mark.parametrize("place", PLACES)
async def test_more_than_was_announced_is_another_request(
    both: Running, hire: Hire, pages: Pages, place: str
) -> None:
    worker = await hire([answer(completion())])
    caller = await both.connect()

    await caller.send(request(place, b'{"model":"m"}', key=KEY) + b'{"evil":1}\r\n\r\n')
    first, second = await caller.answer(), await caller.answer()

    assert (first.status, second.status) == (200, 400)
    assert [*pages.bodies, *(asked.body for asked in worker.asked)] == [b'{"model":"m"}']
    assert await caller.closed()


async def test_hundreds_of_slow_callers_are_let_go_and_keep_nobody_waiting(
    config: PlaneConfig, world: World, hire: Hire, pages: Pages
) -> None:
    worker = await hire([answer(completion())])
    waits = replace(config.waits, header_s=1.0, body_idle_s=1.0)
    starts = [b"", b"GET /page HTT", request(CHAT, ASK, key=KEY)[:-2], request("/page", b"ab")[:-1]]

    async with serve(replace(config, waits=waits), behind=pages) as running:
        slow = [await running.connect() for _ in range(400)]
        for number, caller in enumerate(slow):
            await caller.send(starts[number % len(starts)])
        served = [await running.ask(request(CHAT, ASK, key=KEY)), await running.ask(PAGE)]
        assert all(await asyncio.gather(*(caller.closed() for caller in slow)))
        await until(lambda: len(running.server.server_state.connections) == len(served), 10.0)

    assert [heard.status for heard in served] == [200, 200], served[0].body
    assert (len(worker.asked), len(pages.bodies)) == (1, 1)


async def test_caller_that_does_not_read_a_page_is_left_after_a_while(
    config: PlaneConfig, world: World
) -> None:
    ended = asyncio.Event()

    async def endless(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(1000):
            await send({"type": "http.response.body", "body": b"x" * 60_000, "more_body": True})
        ended.set()

    waits = replace(config.waits, stalled_caller_s=0.2)
    async with serve(replace(config, waits=waits), behind=endless) as running:
        caller = await stalled(running.port)
        running.connections.append(caller)
        await caller.send(PAGE)
        await until(lambda: running.server.server_state.connections)
        await until(lambda: not running.server.server_state.connections, 8.0)
        await asyncio.wait_for(ended.wait(), 3)
