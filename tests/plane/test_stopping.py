"""A gateway that stops: serves what still comes, finishes what runs, tells what it cuts."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from inference.exchange.config import PlaneConfig
from tests.clock import own_time
from tests.plane.caller import request
from tests.plane.conftest import Hire, serve, until
from tests.plane.workers import DONE, SSE_END, SSE_HEAD, answer, chunk, completion, delta
from tests.plane.world import ASK, CHAT, KEY, STREAM, TERMS, World

pytestmark = pytest.mark.anyio

BEGUN = SSE_HEAD + chunk(delta("Pa"))
RUNNING = request(CHAT, STREAM, key=KEY)


async def test_running_stream_is_finished_and_new_work_is_served_until_the_door_closes(
    config: PlaneConfig, world: World, hire: Hire
) -> None:
    more = asyncio.Event()
    await hire([BEGUN, more, chunk(DONE), SSE_END], [answer(completion())])
    waits = replace(config.waits, drain_delay_s=1.5, grace_s=5.0)

    async with serve(replace(config, waits=waits)) as running:
        caller, idle = await running.connect(), await running.connect()
        late = await running.connect()
        await caller.send(RUNNING)
        heard = await caller.head()
        running.server.stop()
        await until(lambda: running.gateway.plane.stopping)
        ready = await running.ask(request("/readyz", method="GET"))
        await idle.send(request(CHAT, ASK, key=KEY))
        served = await idle.answer()
        assert await idle.closed()
        await until(lambda: running.gateway.plane.draining)
        assert await late.closed()
        more.set()
        await caller.rest(heard)

    assert ready.status == 503
    assert (served.status, served.header("connection")) == (200, "close")
    assert (heard.body, heard.complete) == (delta("Pa") + DONE, True)


async def test_stream_that_outlives_the_grace_ends_with_an_error_it_can_read(
    config: PlaneConfig, world: World, hire: Hire
) -> None:
    world.top_up(10_000)
    world.route(version=2, terms=replace(TERMS, price_per_million=1_000_000))
    worker = await hire([BEGUN, ...])
    waits = replace(config.waits, grace_s=0.2)

    async with serve(replace(config, waits=waits)) as running:
        caller = await running.connect()
        await caller.send(RUNNING)
        heard = await caller.head()
        running.server.stop()
        await caller.rest(heard)

    last = heard.body.decode().split("\n\n")[-2]
    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "service_unavailable"
    assert heard.complete
    assert worker.asked[0].left.is_set()
    await until(world.events)
    [event] = world.events()
    assert (event["ending"], event["source"], event["tokens_out"]) == ("refused", "estimated", 1)
    assert event["cost"] > 0


async def test_idle_connections_do_not_hold_up_the_end(
    config: PlaneConfig, world: World, hire: Hire
) -> None:
    await hire([answer(completion())])

    async with serve(config) as running:
        caller = await running.connect()
        await caller.send(request(CHAT, ASK, key=KEY))
        await caller.answer()
        stopped_at = own_time()
        running.server.stop()
        assert await caller.closed()
        assert own_time() - stopped_at < config.waits.grace_s / 2
