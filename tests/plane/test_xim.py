"""xim on a whole gateway: both ends of the tunnel, each by its own code, with an engine behind."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from inference.contracts.agents import AgentEntry
from inference.tests.identities import Identity as Enrolled
from tests.plane.caller import request
from tests.plane.conftest import Running, until
from tests.plane.enrolled import TUNNEL, Fleet
from tests.plane.world import CHAT, KEY, World
from xim.agent.keeper import Keeper
from xim.agent.node import Node
from xim.engines.adapter import Options
from xim.engines.kinds import Simulated
from xim.facts import facts
from xim.faults import REVOKED
from xim.identity import Identity
from xim.link.connection import Where
from xim.serve.answer import Engine
from xim.serve.places import Places
from xim.serve.stands import Stand
from xim.sim.server import Options as SimOptions
from xim.sim.server import Simulator
from xim.web.call import Address

pytestmark = pytest.mark.anyio


@pytest.fixture
def fleet(world: World) -> Fleet:
    return Fleet(world)


def ask(text: str, **more: Any) -> bytes:
    said = [{"role": "user", "content": text}]
    return request(CHAT, {"model": "mock", "messages": said, **more}, key=KEY)


def mark(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def words_of(stream: bytes) -> str:
    """Return the text of a stream's deltas."""
    events = [line[6:] for line in stream.split(b"\n\n") if line.startswith(b"data: {")]
    choices = [json.loads(event)["choices"] for event in events]
    return "".join(one[0]["delta"].get("content") or "" for one in choices if one)


@asynccontextmanager
async def dialled(
    running: Running,
    enrolled: Enrolled,
    *,
    slots: int = 32,
    faults: tuple[Any, ...] = (),
    by: int = 0,
) -> AsyncIterator[Keeper]:
    """Have xim dial in, and wait until it may be asked."""
    simulator = Simulator(SimOptions(models=("mock",), scale=0.05, faults=faults))
    async with simulator.serve() as port, asyncio.TaskGroup() as group:
        address = Address("127.0.0.1", port, "/v1", is_secured=False)
        node = Node(
            identity=Identity.from_raw(enrolled.key.private_bytes_raw()),
            token=enrolled.token(),
            stands=[Stand(Simulated(Options(address)), Engine(address), Places(slots))],
            machine=facts(),
        )
        await node.look()

        async def renew() -> None:
            node.token = enrolled.token()

        where = Where(f"ws://localhost:{by or running.port}{TUNNEL}", None)
        keeper = Keeper(node, where, renew)
        node.on_change = keeper.changed
        task = group.create_task(keeper.run())
        links = running.gateway.agents.links
        await until(lambda: any(link.said for link in links.of_agent(enrolled.agent)))
        try:
            yield keeper
        finally:
            task.cancel()


async def test_callers_of_one_link_each_get_their_own_answer(
    running: Running, fleet: Fleet
) -> None:
    fleet.pool("agt_1")

    async def once(number: int) -> tuple[str, int, bytes]:
        text = f"question {number}"
        caller = await running.connect()
        await caller.send(ask(text, stream=number % 2 == 0, max_tokens=30))
        heard = await caller.answer()
        return text, heard.status, heard.body

    async with dialled(running, fleet.enrol()), asyncio.TaskGroup() as group:
        tasks = [group.create_task(once(number)) for number in range(24)]

    for task in tasks:
        text, status, body = task.result()
        assert status == 200, body
        said = words_of(body) if b"data: " in body else body.decode()
        assert mark(text) in said


async def test_revoked_agent_is_cut_and_stops(running: Running, fleet: Fleet) -> None:
    fleet.pool("agt_1")
    enrolled = fleet.enrol()
    async with dialled(running, enrolled) as keeper:
        gone = AgentEntry(2, enrolled.agent, "", "active", gone=True)
        fleet.publish(gone)
        stop = await asyncio.wait_for(asyncio.shield(keeper.lost), 20)

    assert stop.code == REVOKED


async def test_agent_that_drains_ends_its_link_in_order(running: Running, fleet: Fleet) -> None:
    fleet.pool("agt_1")
    async with dialled(running, fleet.enrol()) as keeper:
        caller = await running.connect()
        await caller.send(ask("slow", stream=True, max_tokens=200, ignore_eos=True))
        heard = await caller.head()
        keeper.drain("stopping")
        await caller.rest(heard)
        await until(lambda: not keeper.links)

    assert mark("slow") in words_of(heard.body)
    assert heard.body.endswith(b"data: [DONE]\n\n")
