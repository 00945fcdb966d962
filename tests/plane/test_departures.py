"""The cancel contract: whoever leaves frees the worker within 50 ms, and is booked as gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import pytest

from tests.plane.caller import Connection, request
from tests.plane.conftest import Hire, Running, departure, until
from tests.plane.workers import SSE_HEAD, Script, answer, chunk, completion, delta
from tests.plane.world import ASK, CHAT, KEY, STREAM, World

pytestmark = pytest.mark.anyio

BOUND_S = 0.05

Departure = Callable[[Connection], None]


def resets(caller: Connection) -> None:
    caller.reset()


def closes_its_half(caller: Connection) -> None:
    caller.writer.write_eof()


MOMENTS = [
    pytest.param([...], ASK, 0, id="before the first byte"),
    pytest.param([...], STREAM, 0, id="before the first byte of a stream"),
    pytest.param([SSE_HEAD + chunk(delta("Pa")), ...], STREAM, 1, id="mid-stream"),
    pytest.param(
        [answer(completion())[:-20], ...],
        ASK,
        0,
        id="in the middle of a plain answer",
    ),
]


@pytest.mark.parametrize("leave", [resets, closes_its_half])
@pytest.mark.parametrize(("script", "body", "pieces"), MOMENTS)
async def test_worker_is_freed_in_time(
    running: Running,
    hire: Hire,
    world: World,
    leave: Departure,
    script: Script,
    body: dict[str, object],
    pieces: int,
) -> None:
    worker = await hire(script)
    caller = await running.connect()
    await caller.send(request(CHAT, body, key=KEY))
    await asyncio.wait_for(worker.arrived.wait(), 3)
    if pieces:
        await caller.piece(await caller.head())

    left_at = await departure(running, partial(leave, caller))
    await asyncio.wait_for(worker.asked[0].left.wait(), 3)

    assert worker.asked[0].left_at - left_at < BOUND_S
    await until(world.events)
    [event] = world.events()
    assert (event["ending"], event["status"]) == ("caller_left", 499)
    assert event["tokens_out"] == pieces
    assert not running.gateway.plane.running
    await until(lambda: not world.held())


async def test_caller_who_leaves_before_its_upload_ends_costs_nothing(
    running: Running, hire: Hire, world: World
) -> None:
    worker = await hire([answer(completion())])
    caller = await running.connect()
    await caller.send(request(CHAT, ASK, key=KEY)[:-5])
    await until(lambda: running.gateway.plane.running)

    caller.reset()

    await until(lambda: not running.gateway.plane.running)
    assert worker.asked == []
    assert world.events() == []
