"""The cancel contract: whoever leaves frees the worker within 50 ms, and is booked as gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import pytest

from tests.plane.caller import Connection, request
from tests.plane.conftest import Hire, Running, departure, until
from tests.plane.workers import (
    DONE,
    SSE_HEAD,
    Script,
    answer,
    chunk,
    completion,
    delta,
    usage_event,
)
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


SAID = SSE_HEAD + b"".join(map(chunk, (delta("Pa"), usage_event(11, 3), DONE)))


async def read_to_done(caller: Connection) -> None:
    heard = await caller.head()
    while not (piece := await caller.piece(heard) or b"").endswith(DONE):
        assert piece, "the stream ended without DONE"


@pytest.mark.parametrize("leave", [resets, closes_its_half])
async def test_caller_who_leaves_once_all_was_said_has_had_a_whole_stream(
    running: Running, hire: Hire, world: World, leave: Departure
) -> None:
    # It goes at DONE, as the official clients do, before the worker's own end of the body.
    worker = await hire([SAID, ...])
    caller = await running.connect()
    await caller.send(request(CHAT, STREAM, key=KEY))
    await read_to_done(caller)

    leave(caller)
    await asyncio.wait_for(worker.asked[0].left.wait(), 3)

    await until(world.events)
    [event] = world.events()
    assert (event["ending"], event["status"]) == ("complete", 200)
    assert (event["source"], event["tokens_in"], event["tokens_out"]) == ("measured", 11, 3)
    assert not running.gateway.plane.running
    await until(lambda: not world.held())


async def test_caller_who_leaves_with_the_end_still_before_it_is_booked_as_gone(
    running: Running, hire: Hire, world: World
) -> None:
    await hire([SAID, ...])
    caller = await running.connect()
    await caller.send(request(CHAT, STREAM, key=KEY))
    await read_to_done(caller)
    [exchange] = running.exchanges()
    exchange.pause()  # As if what was written last did not fit into its socket.

    caller.reset()

    await until(world.events)
    assert [(event["ending"], event["status"]) for event in world.events()] == [
        ("caller_left", 499)
    ]


async def test_caller_who_leaves_at_the_last_byte_of_a_plain_answer_has_had_all_of_it(
    running: Running, hire: Hire, world: World
) -> None:
    worker = await hire([answer(completion("x" * 200_000))])

    for _ in range(2):
        caller = await running.connect()
        await caller.send(request(CHAT, ASK, key=KEY))
        assert (await caller.answer()).complete
        caller.reset()

    await until(lambda: len(world.events()) == 2)
    assert {(event["ending"], event["status"]) for event in world.events()} == {("complete", 200)}
    assert running.gateway.fleet.stats().connects == 1
    assert not worker.asked[0].left.is_set()
