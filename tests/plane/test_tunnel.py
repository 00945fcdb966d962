"""Agents that dial in to a whole gateway: who is let in, and how they are asked."""

from __future__ import annotations

import asyncio
import json

import pytest

from inference.fleet.tunnel import frames
from inference.fleet.tunnel.handshake import Arrivals
from inference.tests.dialled_agent import AgentStream
from inference.tests.identities import served
from tests.plane.caller import request
from tests.plane.conftest import Running, until
from tests.plane.enrolled import EVENTS, TUNNEL, Fleet, ask, dial
from tests.plane.workers import DONE, delta
from tests.plane.world import ASK, STREAM, World

pytestmark = pytest.mark.anyio

UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}


@pytest.fixture
def fleet(world: World) -> Fleet:
    return Fleet(world)


async def test_stream_of_an_agent_reaches_its_caller_word_by_word(
    running: Running, fleet: Fleet
) -> None:
    go_on, asked = asyncio.Event(), []

    async def play(stream: AgentStream) -> None:
        asked.append((stream.method, stream.path, stream.model, json.loads(await stream.whole())))
        await stream.head(200, EVENTS)
        await stream.data(delta("Pa"))
        await go_on.wait()
        await stream.data(delta("ris."))
        await stream.data(DONE, is_last=True)

    fleet.pool("agt_1")
    async with dial(running, fleet.enrol(), play) as agent:
        caller = await running.connect()
        await caller.send(ask(STREAM))
        heard = await caller.head()
        first = await caller.piece(heard)
        go_on.set()
        await caller.rest(heard)

    assert (heard.status, heard.complete) == (200, True)
    assert first == delta("Pa")
    assert heard.body == delta("ris.") + DONE
    assert heard.header("x-xerotier-worker-id") == "wrk_agt_1"
    [(method, path, model, body)] = asked
    assert (method, path, model) == ("POST", "/chat/completions", "mock")
    assert body["messages"] == ASK["messages"]
    assert b"authorization" not in agent.streams[1].lines.lower()
    assert agent.streams[1].request_id == heard.header("x-xerotier-request-id")


async def test_caller_who_leaves_is_told_to_the_agent(running: Running, fleet: Fleet) -> None:
    fleet.pool("agt_1")

    async def silent(stream: AgentStream) -> None:
        await stream.head(200, EVENTS)
        await stream.data(delta("Pa"))

    async with dial(running, fleet.enrol(), silent) as agent:
        caller = await running.connect()
        await caller.send(ask(STREAM))
        await caller.head()
        caller.reset()
        await until(lambda: agent.streams[1].reset == (frames.CANCEL, 0))
        await until(lambda: not running.gateway.plane.running)


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        pytest.param({}, 426, "upgrade_required", id="no offer to upgrade"),
        pytest.param(
            {**UPGRADE, "Origin": "https://a.test"}, 403, "origin_not_allowed", id="a page"
        ),
        pytest.param({**UPGRADE, "Upgrade": "h2c"}, 426, "upgrade_required", id="another protocol"),
        pytest.param(
            {**UPGRADE, "Sec-WebSocket-Key": "short"}, 400, "invalid_request", id="no key"
        ),
        pytest.param({**UPGRADE, "Content-Length": "3"}, 426, "upgrade_required", id="with a body"),
    ],
)
async def test_who_is_no_agent_reads_why_in_the_envelope(
    running: Running, headers: dict[str, str], status: int, code: str
) -> None:
    heard = await running.ask(request(TUNNEL, method="GET", headers=headers))

    assert (heard.status, heard.error["code"]) == (status, code)
    assert (heard.header("upgrade") == "websocket") == (status == 426)
    assert not len(running.gateway.agents.links)


async def test_post_to_the_tunnel_is_refused(running: Running) -> None:
    heard = await running.ask(request(TUNNEL, {"a": 1}, headers=UPGRADE))

    assert heard.status == 426


async def test_no_extension_is_taken_and_nothing_else_offered(running: Running) -> None:
    offer = {"Sec-WebSocket-Extensions": "permessage-deflate", "Sec-WebSocket-Protocol": "a, b"}
    caller = await running.connect()
    await caller.send(request(TUNNEL, method="GET", headers=UPGRADE | offer))
    heard = await caller.head()

    assert heard.status == 101
    assert heard.header("sec-websocket-extensions") is None
    assert heard.header("sec-websocket-protocol") is None
    assert heard.header("sec-websocket-accept") == "ICX+Yqv66kxgM0FcWaLWlFLwTAI="


async def test_storm_of_links_is_told_to_come_back_before_the_upgrade(running: Running) -> None:
    running.gateway.agents.tunnel._arrivals = Arrivals(1, 3, lambda: 0.0)
    heard = []
    for _ in range(5):
        caller = await running.connect()
        await caller.send(request(TUNNEL, method="GET", headers=UPGRADE))
        heard.append(await caller.head())

    assert [one.status for one in heard] == [101, 101, 101, 503, 503]
    assert [one.header("retry-after") for one in heard[3:]] == ["1", "2"]
    await until(lambda: len(running.gateway.agents.links) == 3)


async def test_busy_machine_is_left_untouched_for_another_and_doubted_by_nobody(
    running: Running, fleet: Fleet
) -> None:
    async def busy(stream: AgentStream) -> None:
        await stream.give_up(frames.BUSY, is_untouched=True)

    fleet.pool("agt_1", "agt_2")
    first, second = fleet.enrol("agt_1"), fleet.enrol("agt_2")
    async with dial(running, first, busy) as untouched, dial(running, second):
        heard = [await running.ask(ask()) for _ in range(12)]

    assert {one.header("x-xerotier-worker-id") for one in heard} == {"wrk_agt_2"}
    assert untouched.streams
    assert running.gateway.health.doubted() == []
    assert running.gateway.fleet.stats().workers["wrk_agt_1"].failed == 0


async def test_caller_of_machines_that_are_all_busy_is_told_so(
    running: Running, fleet: Fleet
) -> None:
    async def busy(stream: AgentStream) -> None:
        await stream.give_up(frames.BUSY, is_untouched=True)

    fleet.pool("agt_1")
    async with dial(running, fleet.enrol(), busy):
        heard = await running.ask(ask())

    assert (heard.status, heard.error["code"]) == (429, "capacity_exceeded")


async def test_agent_that_breaks_before_it_answers_is_the_workers_failure(
    running: Running, fleet: Fleet
) -> None:
    async def broken(stream: AgentStream) -> None:
        await stream.give_up(frames.BROKEN)

    fleet.pool("agt_1")
    async with dial(running, fleet.enrol(), broken):
        heard = await running.ask(ask())

    assert (heard.status, heard.error["code"]) == (502, "upstream_error")
    assert running.gateway.fleet.stats().workers["wrk_agt_1"].failed == 1


async def test_model_that_is_not_ready_gets_no_work(running: Running, fleet: Fleet) -> None:
    fleet.pool("agt_1")
    async with dial(running, fleet.enrol()) as agent:
        await agent.state(models=[served("mock", "loading")])
        [link] = running.gateway.agents.links.every()
        await until(lambda: link.said is not None and link.said.models[0].status == "loading")
        heard = await running.ask(ask())

    assert heard.status == 503
    assert agent.streams == {}
