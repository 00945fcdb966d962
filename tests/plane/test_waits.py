"""Every wait has an end, and when it comes nothing else happens: no second worker, no lease."""

from __future__ import annotations

import asyncio
import socket
import time
from dataclasses import replace
from typing import Any

import pytest

from inference.exchange.config import PlaneConfig
from tests.clock import own_time
from tests.plane.caller import Connection, request
from tests.plane.conftest import Hire, Running, serve, until
from tests.plane.workers import SSE_HEAD, Script, answer, chunk, completion, delta
from tests.plane.world import ASK, CHAT, KEY, STREAM, TERMS, World

pytestmark = pytest.mark.anyio

SHORT = replace(TERMS, request_timeout_s=0.2, idle_timeout_s=0.2, monthly_tokens=10**6)
HEAD = request("/page", headers={"Transfer-Encoding": "chunked"})


DRIBBLE: Script = [answer(b"x" * 1000)[:-900], *[0.05, b"x"] * 40]
SILENT = [
    pytest.param(ASK, [...], 504, 0, id="first byte"),
    pytest.param(STREAM, [...], 504, 0, id="first byte of a stream"),
    pytest.param(ASK, DRIBBLE, 200, None, id="whole plain answer"),
    pytest.param(STREAM, [SSE_HEAD + chunk(delta("Pa")), ...], 200, 1, id="idle stream"),
]


@pytest.mark.parametrize(("body", "script", "status", "tokens_out"), SILENT)
async def test_wait_for_a_worker_ends_and_nothing_else_happens(
    running: Running,
    hire: Hire,
    world: World,
    body: dict[str, Any],
    script: Script,
    status: int,
    tokens_out: int | None,
) -> None:
    world.route(version=2, terms=SHORT)
    workers = [await hire(script) for _ in range(2)]

    heard = await running.ask(request(CHAT, body, key=KEY))

    assert heard.status == status
    if tokens_out is None:
        assert not heard.complete  # Its beginning was sent: all that is left is to cut it off.
    else:
        assert b"upstream_timeout" in heard.body
    [asked] = [asked for worker in workers for asked in worker.asked]
    await asyncio.wait_for(asked.left.wait(), 3)
    await until(world.events)
    [event] = world.events()
    assert event["ending"] == "timeout"
    assert tokens_out in (None, event["tokens_out"])
    await until(lambda: not world.held())
    assert not running.gateway.plane.running


async def test_used_connection_may_be_idle_for_longer_but_not_for_ever(
    config: PlaneConfig, world: World, hire: Hire
) -> None:
    worker = await hire([answer(completion())])
    waits = replace(config.waits, header_s=0.05, idle_connection_s=0.6)

    async with serve(replace(config, waits=waits)) as running:
        caller = await running.connect()
        began_at, began = time.monotonic(), own_time()
        await caller.send(request(CHAT, ASK, key=KEY))
        assert (await caller.answer()).status == 200
        assert await caller.closed()

    # It was idle for less than what has passed since before it asked.
    assert time.monotonic() - began_at > waits.idle_connection_s
    assert own_time() - began < 4
    assert len(worker.asked) == 1


@pytest.mark.parametrize("is_page", [True, False])
async def test_body_that_dribbles_for_ever_is_ended(
    config: PlaneConfig, world: World, hire: Hire, is_page: bool
) -> None:
    worker = await hire([answer(completion())])
    waits = replace(config.waits, body_whole_s=0.5)
    reached: list[object] = []

    async def page(_scope: Any, receive: Any, _send: Any) -> None:
        while (message := await receive())["type"] == "http.request":
            if not message["more_body"]:
                reached.append(message)
                return

    async with serve(replace(config, waits=waits), behind=page) as running:
        caller = await running.connect()
        head = HEAD if is_page else HEAD.replace(b"/page", CHAT.encode())
        head = head.replace(b"\r\n\r\n", f"\r\nAuthorization: Bearer {KEY}\r\n\r\n".encode())
        await caller.send(head)
        dribble = asyncio.ensure_future(_dribble(caller))
        heard = await caller.answer()
        dribble.cancel()

    assert heard.status == 408
    assert heard.error["code"] == "request_timeout"
    assert (reached, worker.asked, world.events()) == ([], [], [])


async def _dribble(caller: Any) -> None:
    while True:
        await caller.send(chunk(b" "))
        await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    "first", [pytest.param(0, id="before its head"), pytest.param(-5, id="in its body")]
)
async def test_our_own_absence_is_not_taken_for_a_callers(
    config: PlaneConfig, world: World, hire: Hire, first: int
) -> None:
    await hire([answer(completion())])
    waits = replace(config.waits, header_s=0.6, body_idle_s=0.6)
    data = request(CHAT, ASK, key=KEY)

    async with serve(replace(config, waits=waits)) as running:
        caller = socket.create_connection(("127.0.0.1", running.port))
        caller.sendall(data[:first] if first else b"")
        await until(lambda: running.server.server_state.connections)
        await until(lambda: not first or running.gateway.plane.running)
        # Sent in time, and not read: the process was stopped meanwhile.
        caller.sendall(data[first:])
        time.sleep(1.5)  # noqa: ASYNC251 - that is the absence
        caller.setblocking(False)
        connection = Connection(*await asyncio.open_connection(sock=caller))
        running.connections.append(connection)
        heard = await connection.answer()

    assert heard.status == 200
