"""Workers whose address swallows packets: nobody refuses the connection, and nobody takes it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from inference.exchange.config import PlaneConfig
from tests.clock import own_time
from tests.plane.caller import request
from tests.plane.conftest import Hire, Running, departure, serve, until
from tests.plane.test_departures import BOUND_S
from tests.plane.test_uploads import FRONT, HEAD
from tests.plane.workers import answer, chunk, completion
from tests.plane.world import ASK, CHAT, KEY, STREAM, TERMS, World

pytestmark = pytest.mark.anyio

CONNECT_S = 0.3
LATE_S = 2.0
"""A connection is given up after ``CONNECT_S``; a busy machine may say so later."""
TRIES = 3
MOST_ASKED = 100


@asynccontextmanager
async def black_hole() -> AsyncIterator[str]:
    """Open a port whose queue of connections is full: from then on the kernel drops each SYN.

    The first is waited for, however long a busy machine takes: while it is on its way, the
    queue is not full, and would take the gateway's as well.
    """
    listener = socket.create_server(("127.0.0.1", 0), backlog=0)
    port, waiting = listener.getsockname()[1], [_unconnected()]
    await asyncio.get_running_loop().sock_connect(waiting[0], ("127.0.0.1", port))
    waiting.append(_unconnected())
    while await _is_taken(waiting[-1], port):
        waiting.append(_unconnected())
    yield f"http://127.0.0.1:{port}/v1"
    for sock in (*waiting, listener):
        sock.close()


def _unconnected() -> socket.socket:
    sock = socket.socket()
    sock.setblocking(False)
    return sock


async def _is_taken(sock: socket.socket, port: int) -> bool:
    try:
        async with asyncio.timeout(0.1):
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    except TimeoutError:
        return _is_connected(sock)  # On a busy machine both may have been so when we looked.
    return True


def _is_connected(sock: socket.socket) -> bool:
    try:
        sock.getpeername()
    except OSError:
        return False
    return True


@pytest.fixture
async def hole() -> AsyncIterator[str]:
    async with black_hole() as url:
        yield url


@pytest.fixture
async def hurried(config: PlaneConfig, world: World) -> AsyncIterator[Running]:
    world.route(version=2, terms=replace(TERMS, request_timeout_s=30.0))
    waits = replace(config.waits, connect_s=CONNECT_S)
    async with serve(replace(config, waits=waits)) as running:
        yield running


async def test_another_worker_takes_over_when_the_time_to_connect_is_over(
    hurried: Running, hire: Hire, world: World, hole: str
) -> None:
    sound = await hire([answer(completion())])
    world.serve(hole, sound.url, version=2)
    loop, stats = asyncio.get_running_loop(), hurried.gateway.fleet.stats
    said, lasted_s = list[int](), 0.0

    while "wrk_0" not in stats().workers and len(said) < MOST_ASKED:  # Who is asked is drawn.
        asked_at = loop.time()
        said.append((await hurried.ask(request(CHAT, ASK, key=KEY))).status)
        lasted_s = loop.time() - asked_at

    assert set(said) == {200}
    assert CONNECT_S <= lasted_s < CONNECT_S + LATE_S
    assert (stats().workers["wrk_0"].failed, len(sound.asked)) == (1, len(said))
    await until(lambda: len(world.events()) == len(said))
    assert {event["worker_id"] for event in world.events()} == {"wrk_1"}


@pytest.mark.parametrize("body", [ASK, STREAM])
async def test_without_another_worker_the_caller_is_told_in_time(
    hurried: Running, world: World, hole: str, body: dict[str, Any]
) -> None:
    world.serve(hole, hole, hole, hole)
    loop = asyncio.get_running_loop()

    asked_at = loop.time()
    heard = await hurried.ask(request(CHAT, body, key=KEY))
    lasted_s = loop.time() - asked_at

    assert (heard.status, heard.error["code"]) == (502, "upstream_error")
    assert TRIES * CONNECT_S <= lasted_s < TRIES * CONNECT_S + LATE_S
    assert sum(worker.asked for worker in hurried.gateway.fleet.stats().workers.values()) == TRIES
    await until(world.events)
    [event] = world.events()
    assert (event["ending"], event["status"]) == ("worker_broke", 502)
    assert (event["tokens_out"], event["cost"]) == (0, 0)
    await until(lambda: not world.held())
    assert hurried.gateway.fleet.stats().open_connections == 0


async def test_caller_who_leaves_meanwhile_ends_the_attempt(
    running: Running, world: World, hole: str
) -> None:
    world.serve(hole)
    stats = running.gateway.fleet.stats
    caller = await running.connect()
    await caller.send(request(CHAT, ASK, key=KEY))
    await until(lambda: stats().open_connections == 1)

    left_at = await departure(running, caller.reset)
    await until(lambda: stats().open_connections == 0)

    assert own_time() - left_at < BOUND_S
    await until(world.events)
    assert world.events()[0]["ending"] == "caller_left"
    await until(lambda: not world.held())
    assert running.gateway.health.out() == []


async def test_large_upload_is_told_in_time_and_not_kept_for_another(
    hurried: Running, hire: Hire, world: World, hole: str
) -> None:
    sound = await hire([answer(completion())])
    world.serve(hole, version=2)
    loop, caller = asyncio.get_running_loop(), await hurried.connect()

    asked_at = loop.time()
    await caller.send(HEAD + chunk(FRONT + b"x" * 300_000))
    heard = await caller.answer()
    lasted_s = loop.time() - asked_at

    assert (heard.status, heard.error["code"]) == (502, "upstream_error")
    assert CONNECT_S <= lasted_s < CONNECT_S + LATE_S
    assert sound.asked == []
    await until(world.events)
    assert [event["ending"] for event in world.events()] == ["worker_broke"]
    await until(lambda: not world.held())
