"""A worker that is asked before the limiter has answered: what the caller may know of that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from inference.contracts.names import shard_tag
from tests.plane.caller import Connection, request
from tests.plane.conftest import Hire, Running, until
from tests.plane.workers import (
    BREAK,
    DONE,
    SSE_END,
    SSE_HEAD,
    Script,
    ScriptedWorker,
    answer,
    chunk,
    completion,
    delta,
)
from tests.plane.world import ASK, CHAT, KEY, PROJECT, STREAM, TERMS, World

pytestmark = pytest.mark.anyio

PAID = replace(TERMS, price_per_million=1_000_000)
PROJECT_ACCOUNT = f"p:{PROJECT}"
TAG = shard_tag(PROJECT)
HELD_MS = 10_000


@asynccontextmanager
async def admissions_held_back(world: World) -> AsyncIterator[None]:
    """Let Valkey take no admission meanwhile. It answers everything else."""
    world.valkey.client_pause(HELD_MS, all=False)
    try:
        yield
    finally:
        world.valkey.client_unpause()


@pytest.fixture
def rich(world: World) -> World:
    """A world in which every limit is far away."""
    world.route(version=2, terms=PAID)
    world.top_up(10_000_000)
    return world


def set_budget(world: World, amount: int) -> None:
    world.valkey.fcall("xt1_budget", 1, TAG, f"p:{PROJECT}", str(amount), "1")


async def ease(running: Running, body: dict[str, Any] = ASK) -> None:
    """Let a first request of its kind through, of which Valkey says that it was easy."""
    assert (await running.ask(request(CHAT, body, key=KEY))).status == 200


async def ask_early(
    running: Running, worker: ScriptedWorker, body: dict[str, Any] = ASK
) -> Connection:
    """Ask, and return when the worker has the question."""
    caller, before = await running.connect(), len(worker.asked)
    await caller.send(request(CHAT, body, key=KEY))
    await until(lambda: len(worker.asked) > before)
    return caller


def is_silent(caller: Connection) -> bool:
    return not caller.reader._buffer  # type: ignore[attr-defined] # why: a stream can't be asked otherwise


async def held_at_least_once(running: Running) -> None:
    """Wait until the gateway has certainly seen what the worker said."""
    await running.ask(request("/readyz", method="GET"))


async def test_worker_is_asked_at_once_and_its_answer_waits_for_the_limiter(
    running: Running, hire: Hire, rich: World
) -> None:
    worker = await hire([answer(completion())])
    await ease(running)

    async with admissions_held_back(rich):
        caller = await ask_early(running, worker)
        await held_at_least_once(running)
        assert is_silent(caller)
    heard = await caller.answer()

    assert (heard.status, heard.body) == (200, completion())
    assert heard.header("x-ratelimit-limit-requests") is None
    await until(lambda: len(rich.events()) == 2)
    assert [event["source"] for event in rich.events()] == ["measured", "measured"]


async def test_refusal_after_all_hangs_up_and_costs_nothing(
    running: Running, hire: Hire, rich: World
) -> None:
    worker = await hire([answer(completion())], [...])
    await ease(running)
    await until(rich.events)
    spent = rich.valkey.hget(f"{TAG}:p:{PROJECT}", "spent")
    set_budget(rich, 1)

    async with admissions_held_back(rich):
        caller = await ask_early(running, worker)
    heard = await caller.answer()

    assert (heard.status, heard.error["code"]) == (429, "budget_exceeded")
    await asyncio.wait_for(worker.asked[1].left.wait(), 3)
    assert len(rich.events()) == 1
    assert rich.valkey.hget(f"{TAG}:p:{PROJECT}", "spent") == spent
    assert rich.valkey.hget(f"{TAG}:p:{PROJECT}", "held") == "0"
    assert running.gateway.health.out() == []


async def test_limit_that_is_near_is_asked_before_the_worker(
    running: Running, hire: Hire, rich: World
) -> None:
    worker = await hire([answer(completion())])
    rich.route(version=3, terms=replace(PAID, concurrent=1))
    await ease(running)

    async with admissions_held_back(rich):
        caller = await running.connect()
        await caller.send(request(CHAT, ASK, key=KEY))
        await held_at_least_once(running)
        assert len(worker.asked) == 1
    assert (await caller.answer()).status == 200


async def test_what_was_easy_once_is_taken_for_granted_for_a_few_only(
    running: Running, hire: Hire, rich: World
) -> None:
    worker = await hire([answer(completion())])
    await ease(running)

    async with admissions_held_back(rich):
        callers = [await running.connect() for _ in range(12)]
        for caller in callers:
            await caller.send(request(CHAT, ASK, key=KEY))
        await until(lambda: len(worker.asked) == 9)
        await held_at_least_once(running)
        assert len(worker.asked) == 9
    assert [(await caller.answer()).status for caller in callers] == [200] * 12


async def test_caller_that_leaves_before_the_verdict_frees_the_worker(
    running: Running, hire: Hire, rich: World
) -> None:
    worker = await hire([answer(completion())], [...])
    await ease(running)

    async with admissions_held_back(rich):
        caller = await ask_early(running, worker)
        caller.reset()
        await asyncio.wait_for(worker.asked[1].left.wait(), 3)
    await until(lambda: len(rich.events()) == 2)

    assert rich.events()[1]["ending"] == "caller_left"
    assert rich.valkey.hget(f"{TAG}:p:{PROJECT}", "held") == "0"


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param([BREAK], id="breaks off"),
        pytest.param([answer(b"", 500)], id="answers 500"),
    ],
)
async def test_worker_that_fails_before_the_verdict_is_replaced_after_it(
    running: Running, hire: Hire, rich: World, broken: Script
) -> None:
    both = [await hire([answer(completion())]) for _ in range(2)]
    await ease(running)
    both[0].scripts = both[1].scripts = [broken, [answer(completion("Second."))]]

    async with admissions_held_back(rich):
        before = sum(len(worker.asked) for worker in both)
        caller = await running.connect()
        await caller.send(request(CHAT, ASK, key=KEY))
        await until(lambda: sum(len(worker.asked) for worker in both) > before)
        await held_at_least_once(running)
        assert is_silent(caller)
    heard = await caller.answer()

    assert (heard.status, heard.body) == (200, completion("Second."))
    assert sorted(len(worker.asked) for worker in both) in ([1, 2], [0, 3])


async def test_stream_that_begins_before_the_verdict_loses_no_byte(
    running: Running, hire: Hire, rich: World
) -> None:
    events = [delta(f"{number} ") for number in range(200)]
    worker = await hire([SSE_HEAD, *map(chunk, events), chunk(DONE), SSE_END])
    await ease(running, STREAM)

    async with admissions_held_back(rich):
        caller = await ask_early(running, worker, STREAM)
        await held_at_least_once(running)
        assert is_silent(caller)
    heard = await caller.answer()

    assert heard.body == b"".join(events) + DONE
    assert heard.complete
