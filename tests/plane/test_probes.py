"""Workers that die without a word are found before a caller finds them, and welcomed back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from inference.exchange.config import PlaneConfig
from tests.plane.caller import request
from tests.plane.conftest import Hire, Running, serve, until
from tests.plane.workers import SSE_HEAD, Script, ScriptedWorker, answer, chunk, completion, delta
from tests.plane.world import ASK, CHAT, KEY, STREAM, World

pytestmark = pytest.mark.anyio

ALIVE: Script = [answer(completion())]
PROBE = "GET /v1/models HTTP/1.1"


@pytest.fixture
async def probing(config: PlaneConfig, world: World) -> AsyncIterator[Running]:
    waits = replace(config.waits, probe_every_s=0.2, probe_s=0.1)
    async with serve(replace(config, waits=waits)) as running:
        yield running


def probes(worker: ScriptedWorker) -> int:
    return sum(asked.line == PROBE for asked in worker.asked)


async def test_worker_that_dies_silently_is_left_out_until_it_is_back(
    probing: Running, hire: Hire
) -> None:
    dead, alive = await hire(ALIVE), await hire(ALIVE)
    health = probing.gateway.health
    assert (await probing.ask(request(CHAT, ASK, key=KEY))).status == 200

    dead.scripts = [[...]]
    await until(lambda: health.out() == ["wrk_0"])
    asked_before = len(dead.asked) - probes(dead)
    said = [(await probing.ask(request(CHAT, ASK, key=KEY))).status for _ in range(10)]

    assert said == [200] * 10
    assert len(dead.asked) - probes(dead) == asked_before
    assert probes(alive)
    dead.scripts = [ALIVE]
    await until(lambda: not health.out())
    while len(dead.asked) - probes(dead) == asked_before:
        assert (await probing.ask(request(CHAT, ASK, key=KEY))).status == 200


async def test_endpoint_without_a_living_worker_says_so_at_once(
    probing: Running, hire: Hire, world: World
) -> None:
    worker = await hire(ALIVE)
    await probing.ask(request(CHAT, ASK, key=KEY))
    await worker.stop()
    await until(lambda: probing.gateway.health.out() == ["wrk_0"])
    booked = len(world.events())

    heard = await probing.ask(request(CHAT, ASK, key=KEY))

    assert (heard.status, heard.error["code"]) == (503, "endpoint_inactive")
    assert probing.gateway.fleet.in_flight("wrk_0") == 0
    await until(lambda: len(world.events()) > booked)
    assert world.events()[-1]["tokens_out"] == 0


async def test_worker_that_is_at_work_for_us_may_be_silent_to_probes(
    probing: Running, hire: Hire
) -> None:
    worker = await hire([SSE_HEAD, chunk(delta("Pa")), ...], [...])
    caller = await probing.connect()
    await caller.send(request(CHAT, STREAM, key=KEY))
    await caller.head()

    await until(lambda: probes(worker) >= 4)

    assert probing.gateway.health.out() == []
    assert not worker.asked[0].left.is_set()


async def test_worker_that_leaves_the_pool_is_asked_no_more(
    probing: Running, hire: Hire, world: World
) -> None:
    worker = await hire(ALIVE)
    await probing.ask(request(CHAT, ASK, key=KEY))
    await until(lambda: probes(worker))

    world.serve(version=9)
    await probing.ask(request(CHAT, ASK, key=KEY))
    known = probes(worker)
    other = await probing.ask(request("/healthz", method="GET"))

    assert other.status == 200
    assert probing.gateway.plane.workers_in_use() == []
    assert probes(worker) <= known + 1
