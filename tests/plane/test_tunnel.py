"""Agents that dial in to a whole gateway: let in, asked, heeded when they are revoked, let go."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
import redis

from inference.contracts import agents, pass_keys
from inference.contracts.agents import ACTIVE, PENDING, SUSPENDED, AgentEntry
from inference.contracts.entries import Pool, Worker, dump
from inference.contracts.names import CHANGES, LINKS, agent_key, link_key, link_member, pool_key
from inference.contracts.operations import OPERATIONS
from inference.fleet.tunnel import frames
from inference.fleet.tunnel.handshake import Arrivals
from inference.tests.dialled_agent import AgentStream, DialledAgent, Serve
from inference.tests.identities import Identity, Platform, served
from tests.plane.caller import request
from tests.plane.conftest import Running, serve, until
from tests.plane.workers import DONE, completion, delta
from tests.plane.world import ASK, CHAT, KEY, STREAM, World

pytestmark = pytest.mark.anyio

TUNNEL = "/agents/v1/tunnel"
JSON = b"content-type: application/json\r\n"
EVENTS = b"content-type: text/event-stream\r\n"
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}


class Fleet:
    """Agents that have enrolled, as the control plane would publish them."""

    def __init__(self, world: World) -> None:
        self.valkey: redis.Redis = world.valkey
        self.platform = Platform()
        keys = self.platform.entries[pass_keys.NAME]
        assert isinstance(keys, pass_keys.PassKeys)
        self._put(pass_keys.NAME, pass_keys.dump(keys), keys.version)

    def enrol(self, name: str = "agt_1", state: str = ACTIVE) -> Identity:
        identity = Identity(self.platform, name, state)
        identity.now = time.time()
        self.publish(identity.entry)
        return identity

    def publish(self, entry: AgentEntry) -> None:
        self._put(agent_key(entry.agent), agents.dump(entry), entry.version)

    def pool(self, *names: str, **changes: Any) -> None:
        workers = tuple(
            Worker(f"wrk_{name}", "", "small", tuple(OPERATIONS), agent=name, served_name="mock")
            for name in names
        )
        pool = Pool(1, "shared/small", tuple(replace(worker, **changes) for worker in workers))
        self._put(pool_key(pool.name), dump(pool), 1)

    def _put(self, key: str, text: str, version: int) -> None:
        self.valkey.set(key, text)
        self.valkey.publish(CHANGES, json.dumps({"key": key, "version": version}))


@pytest.fixture
def fleet(world: World) -> Fleet:
    return Fleet(world)


async def polite(stream: AgentStream) -> None:
    await stream.whole()
    await stream.head(200, JSON)
    await stream.data(completion(), is_last=True)


@asynccontextmanager
async def dial(
    running: Running, identity: Identity, play: Serve = polite, **hello: Any
) -> AsyncIterator[DialledAgent]:
    """Dial in, and wait until it may be asked."""
    url = f"ws://localhost:{running.port}{TUNNEL}"
    async with DialledAgent(identity, url, play, **hello) as agent:
        links = running.gateway.agents.links
        await until(lambda: any(link.said for link in links.of_agent(identity.agent)))
        yield agent


def ask(body: dict[str, Any] = ASK) -> bytes:
    return request(CHAT, body, key=KEY)


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
    running.gateway.agents.tunnel._arrivals = Arrivals(3.0, lambda: 0.0)
    heard = []
    for _ in range(5):
        caller = await running.connect()
        await caller.send(request(TUNNEL, method="GET", headers=UPGRADE))
        heard.append(await caller.head())

    assert [one.status for one in heard] == [101, 101, 101, 503, 503]
    assert heard[4].header("retry-after") == "2"
    await until(lambda: len(running.gateway.agents.links) == 3)


async def test_revoked_agent_is_cut_within_a_second(running: Running, fleet: Fleet) -> None:
    identity = fleet.enrol()
    async with dial(running, identity) as agent:
        fleet.publish(replace(identity.entry, version=2, gone=True))
        async with asyncio.timeout(1):
            while agent.code is None:
                await asyncio.sleep(0.005)

    assert agent.code == 4403


async def test_suspended_agent_is_told_keeps_its_link_and_gets_no_work(
    running: Running, fleet: Fleet
) -> None:
    identity = fleet.enrol(state=PENDING)
    fleet.pool("agt_1")
    async with dial(running, identity) as agent:
        assert agent.welcome["state"] == PENDING
        before = await running.ask(ask())
        for version, state in ((2, ACTIVE), (3, SUSPENDED)):
            fleet.publish(replace(identity.entry, version=version, state=state, models=("a",)))
            await until(lambda: agent.heard[-1][1].get("version") == version)  # noqa: B023
            assert agent.heard[-1] == (
                frames.ASSIGN,
                {"version": version, "state": state, "models": ["a"]},
            )
            heard = await running.ask(ask())
            assert heard.status == (200 if state == ACTIVE else 503)

        assert agent.code is None
    assert (before.status, before.error["code"]) == (503, "endpoint_inactive")


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


async def test_what_an_agent_says_lies_in_valkey_while_its_link_is_up(
    running: Running, fleet: Fleet
) -> None:
    valkey, [name] = fleet.valkey, [running.gateway.agents.links.gateway]
    facts = {"hostname": "box", "os": "linux", "arch": "x", "cpus": 2, "memory_bytes": 8}
    async with dial(running, fleet.enrol()) as agent:
        await agent.state(running=3, facts={**facts, "accelerators": [], "new": 1})
        await until(lambda: '"box"' in str(valkey.get(link_key("agt_1", name))))
        text = valkey.get(link_key("agt_1", name))
        score = valkey.zscore(LINKS, link_member("agt_1", name))
        left_s = valkey.ttl(link_key("agt_1", name))

    report = agents.load_report(str(text))
    assert (report.gateway, report.in_flight, report.peer) == (name, 0, "127.0.0.1")
    assert (report.state["running"], report.state["seq"]) == (3, 2)
    assert report.facts == {**facts, "accelerators": []}
    assert abs(time.time() - float(str(score))) < 60
    assert 0 < int(str(left_s)) <= 10
    await until(lambda: valkey.get(link_key("agt_1", name)) is None)
    assert valkey.zscore(LINKS, link_member("agt_1", name)) is None


async def test_gateway_that_stops_asks_agents_to_go_lets_them_finish_and_ends_with_1012(
    config: Any, world: World, fleet: Fleet
) -> None:
    go_on = asyncio.Event()

    async def slow(stream: AgentStream) -> None:
        await stream.head(200, EVENTS)
        await stream.data(delta("Pa"))
        await go_on.wait()
        await stream.data(DONE, is_last=True)

    fleet.pool("agt_1")
    async with serve(config) as running:
        await until(lambda: running.gateway.admission.limiter.is_restored)
        async with dial(running, fleet.enrol(), slow) as agent:
            caller = await running.connect()
            await caller.send(ask(STREAM))
            heard = await caller.head()
            running.server.stop()
            await until(lambda: agent.heard[-1][0] == frames.DRAIN)
            assert agent.heard[-1][1] == {
                "reason": "the gateway stops",
                "spread_ms": 1000,
                "last": 1,
            }
            go_on.set()
            await caller.rest(heard)
            await until(lambda: agent.code is not None)

    assert heard.complete
    assert fleet.valkey.keys("link:*") == fleet.valkey.zrange(LINKS, 0, -1) == []
    assert heard.body.endswith(DONE)
    assert agent.code == 1012


async def test_request_that_was_let_in_before_the_stop_is_still_served_over_the_link(
    config: Any, world: World, fleet: Fleet
) -> None:
    fleet.pool("agt_1")
    async with serve(config) as running:
        await until(lambda: running.gateway.admission.limiter.is_restored)
        async with dial(running, fleet.enrol()) as agent:
            caller, data = await running.connect(), ask()
            await caller.send(data[:-7])
            await until(running.exchanges)
            running.server.stop()
            await until(lambda: agent.heard[-1][0] == frames.DRAIN)
            await caller.send(data[-7:])
            heard = await caller.answer()

    assert (heard.status, heard.body) == (200, completion())


async def test_figures_of_links_are_there_for_scrapers(running: Running, fleet: Fleet) -> None:
    async with dial(running, fleet.enrol()):
        text = (await running.ask(request("/metrics", method="GET"))).body.decode()

    assert "\nxerotier_agent_links 1.0\n" in text
    assert '\nxerotier_agent_bytes_total{direction="in"} ' in text
