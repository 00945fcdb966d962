"""Gateways see what others have where: a prefix that one has sent, another sends there, too."""

from __future__ import annotations

from typing import Any

import pytest

from inference.exchange.config import PlaneConfig
from tests.plane.caller import request
from tests.plane.conftest import Hire, Running, until
from tests.plane.test_several_gateways import gateways
from tests.plane.workers import DONE, SSE_HEAD, Script, chunk, delta, stream, usage_event
from tests.plane.world import CHAT, KEY, STREAM

pytestmark = pytest.mark.anyio

QUICK: Script = stream(delta("Paris"), usage_event(), DONE)
LONG = "Lorem ipsum dolor sit amet. " * 600


@pytest.fixture
def edge() -> str:
    """Test over one edge: what gateways say to each other lies behind both."""
    return "fast"


def saying(text: str) -> dict[str, Any]:
    return {**STREAM, "messages": [{"role": "user", "content": text}]}


def backlog(running: Running) -> int:
    """Return the requests that a gateway believes others have at any worker."""
    scales = running.gateway.choosing.scales
    workers = running.gateway.plane.workers_in_use()
    found = [scales.state.elsewhere.at(w.worker_id, scales.now_us()) for w in workers]
    return sum(load[0] for load in found)


async def test_a_conversation_stays_where_it_was_read_whichever_gateway_is_asked(
    config: PlaneConfig, hire: Hire
) -> None:
    workers = [await hire(QUICK) for _ in range(4)]
    async with gateways(config, 2) as (one, two):
        await one.ask(request(CHAT, saying(LONG), key=KEY))
        [home] = [worker for worker in workers if worker.asked]
        memories = two.gateway.choosing.scales.state.memories
        await until(memories.entries)

        for turn in range(6):
            before = len(home.asked)
            await two.ask(request(CHAT, saying(LONG + f"And {turn}?"), key=KEY))
            assert len(home.asked) == before + 1


async def test_what_one_gateway_has_in_flight_counts_at_the_other_until_it_ends(
    config: PlaneConfig, hire: Hire
) -> None:
    await hire([SSE_HEAD, chunk(delta("Pa")), ...])
    async with gateways(config, 2) as (one, two):
        caller = await one.connect()
        await caller.send(request(CHAT, STREAM, key=KEY))
        await two.ask(request(f"{CHAT[: CHAT.rindex('/chat/')]}/models", key=KEY, method="GET"))
        other = await two.connect()
        await other.send(request(CHAT, STREAM, key=KEY))
        await until(lambda: (backlog(one), backlog(two)) == (1, 1))
        await caller.close()
        await until(lambda: backlog(two) == 0)
        await other.close()
        await until(lambda: backlog(one) == 0)
