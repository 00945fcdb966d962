"""A stream that outgrows what was set aside for it: it goes on, or says why it can't."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from inference.contracts.names import shard_tag
from tests.plane.caller import request
from tests.plane.conftest import Hire, Running, until
from tests.plane.workers import DONE, SSE_END, SSE_HEAD, chunk, delta
from tests.plane.world import CHAT, KEY, PROJECT, STREAM, TERMS, World

pytestmark = pytest.mark.anyio

PAID = replace(TERMS, price_per_million=1_000_000)
ENOUGH_FOR_ONE_SLICE, ENOUGH_FOR_TWO = 400, 800
SLICE_AND_MORE = 300
TAG = shard_tag(PROJECT)


def paid_for(world: World, budget: int) -> None:
    world.route(version=2, terms=PAID)
    world.top_up(10_000)
    world.valkey.fcall("xt1_budget", 1, TAG, f"p:{PROJECT}", str(budget), "1")


async def test_refused_renewal_ends_the_stream_with_the_limits_own_code(
    running: Running, hire: Hire, world: World
) -> None:
    paid_for(world, ENOUGH_FOR_ONE_SLICE)
    worker = await hire([SSE_HEAD, *[chunk(delta("x"))] * SLICE_AND_MORE, ...])

    heard = await running.ask(request(CHAT, STREAM, key=KEY))

    error = json.loads(heard.body.decode().split("\n\n")[-2].removeprefix("data: "))["error"]
    assert (error["type"], error["code"]) == ("stream_error", "budget_exceeded")
    assert heard.complete
    assert b"[DONE]" not in heard.body
    await worker.asked[0].left.wait()
    await until(world.events)
    [event] = world.events()
    assert (event["ending"], event["source"]) == ("refused", "estimated")
    assert 0 < event["tokens_out"] <= SLICE_AND_MORE
    assert [world.valkey.zcard(name) for name in world.valkey.keys(f"{TAG}:l:*")] in ([], [0])
    assert world.valkey.hget(f"{TAG}:p:{PROJECT}", "held") == "0"
    assert running.gateway.health.out() == []


async def test_granted_renewal_is_not_heard_of(running: Running, hire: Hire, world: World) -> None:
    paid_for(world, ENOUGH_FOR_TWO)
    await hire([SSE_HEAD, *[chunk(delta("x"))] * SLICE_AND_MORE, chunk(DONE), SSE_END])

    heard = await running.ask(request(CHAT, STREAM, key=KEY))

    assert heard.body == delta("x") * SLICE_AND_MORE + DONE
    await until(world.events)
    assert world.events()[0]["tokens_out"] == SLICE_AND_MORE
