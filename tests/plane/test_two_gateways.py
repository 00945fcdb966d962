"""Two gateway processes keep one count: limits and money are exact over both together.

That no minute ever sees more than its burst and its rate is proved against the function's own
clock, in ``inference/tests/test_admission_functions.py``; here real time passes.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from inference.contracts import shard_tag
from tests.plane.caller import Connection, Heard, request
from tests.plane.conftest import Hire, until
from tests.plane.test_news import ask, second_gateway
from tests.plane.workers import answer, completion
from tests.plane.world import ASK, KEY, PROJECT, TERMS, World

pytestmark = pytest.mark.anyio

INTERVAL_S = 60 / 64
BURST = 32
ATTEMPTS = 6
"""A busy machine may need more than one interval to send 200 requests; then one more may pass."""


@asynccontextmanager
async def two_gateways(folder: Path) -> AsyncIterator[tuple[int, int]]:
    async with second_gateway(folder / "one") as one, second_gateway(folder / "two") as two:
        yield one, two


def chat(endpoint: str) -> str:
    return f"/{PROJECT}/{endpoint}/v1/chat/completions"


async def all_at_once(ports: tuple[int, int], count: int, data: bytes) -> list[Heard]:
    return [await one for one in await sent_at_once(ports, count, data)]


async def sent_at_once(
    ports: tuple[int, int], count: int, data: bytes
) -> list[asyncio.Future[Heard]]:
    """Connect first and send then, to both gateways in turn, so that nothing else spreads them."""
    callers = [await Connection.open(ports[number % 2]) for number in range(count)]
    for caller in callers:
        caller.writer.write(data)
    return [asyncio.ensure_future(heard_by(caller)) for caller in callers]


async def heard_by(caller: Connection) -> Heard:
    try:
        return await caller.answer()
    finally:
        caller.reset()


def words(heard: list[Heard]) -> Counter[str]:
    return Counter("" if one.status == 200 else one.error["code"] for one in heard)


async def test_of_eight_first_requests_against_a_budget_for_one_exactly_one_passes(
    world: World, hire: Hire, tmp_path: Path
) -> None:
    go = asyncio.Event()
    worker = await hire([go, answer(completion())])
    world.top_up(10**9)
    tag = shard_tag(PROJECT)
    world.valkey.fcall("xt1_budget", 1, tag, f"p:{PROJECT}", "150", "1")
    world.route(terms=replace(TERMS, version=2, price_per_million=1_000_000), version=2)
    said = request(chat("chat"), {**ASK, "max_tokens": 90}, key=KEY)

    async with two_gateways(tmp_path) as ports:
        asking = await sent_at_once(ports, 8, said)
        await until(lambda: sum(one.done() for one in asking) == 7)
        await worker.arrived.wait()
        held = int(world.valkey.hget(f"{tag}:p:{PROJECT}", "held") or 0)
        go.set()
        heard = [await one for one in asking]

    assert 75 < held <= 150, "the budget is for one, not for two"
    assert words(heard) == {"": 1, "budget_exceeded": 7}
    assert len(worker.asked) == 1
    assert sorted(one.status for one in heard) == [200] + [429] * 7
    [event] = world.events()
    assert world.valkey.hmget(f"{tag}:p:{PROJECT}", "spent", "held") == [str(event["cost"]), "0"]


async def test_200_callers_on_64_a_minute_pass_32_at_once_and_then_one_an_interval(
    world: World, hire: Hire, tmp_path: Path
) -> None:
    await hire([answer(completion())])
    terms = replace(TERMS, requests_per_min=64, concurrent=10**6)
    for number in range(ATTEMPTS):
        world.route(endpoint=f"e{number}", endpoint_id=f"ep_Try{number:09}", terms=terms)

    async with two_gateways(tmp_path) as ports:
        for number in range(ATTEMPTS):
            said = request(chat(f"e{number}"), ASK, key=KEY)
            began = time.monotonic()
            heard = await all_at_once(ports, 200, said)
            took_s = time.monotonic() - began
            passed = words(heard)[""]
            assert BURST <= passed <= BURST + int(took_s / INTERVAL_S)
            if took_s < INTERVAL_S:
                break
        told = [one for one in heard if one.status == 429]
        waits = {one.header("retry-after") for one in told}
        await asyncio.sleep(float(max(wait or "" for wait in waits)))
        after = [await ask(ports[0], said)]

    assert took_s < INTERVAL_S, f"this machine never sent 200 requests within {INTERVAL_S} s"
    assert words(heard) == {"": BURST, "rate_limit_exceeded": 200 - BURST}
    assert waits == {"1"}, "an emission interval, in whole seconds"
    assert [one.status for one in after] == [200]
