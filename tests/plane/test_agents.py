"""What a whole gateway heeds of its agents, what it writes of them, and how it lets them go."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest

from inference.contracts import agents
from inference.contracts.agents import ACTIVE, DRAINING, PENDING, SUSPENDED
from inference.contracts.names import LINKS, agent_key, link_key, link_member
from inference.exchange.config import PlaneConfig
from inference.fleet.tunnel import frames
from inference.tests.dialled_agent import AgentStream, DialledAgent
from inference.tests.identities import Identity
from tests.clock import Stopwatch
from tests.plane.caller import request
from tests.plane.conftest import Running, serve, until
from tests.plane.enrolled import EVENTS, TUNNEL, Fleet, ask, dial, polite
from tests.plane.workers import DONE, completion, delta
from tests.plane.world import STREAM, World

pytestmark = pytest.mark.anyio

REVOKED_WITHIN_S = 1.0


@pytest.fixture
def fleet(world: World) -> Fleet:
    return Fleet(world)


async def test_revoked_agent_is_cut_within_a_second(running: Running, fleet: Fleet) -> None:
    identity = fleet.enrol()
    async with dial(running, identity) as agent:
        fleet.publish(replace(identity.entry, version=2, gone=True))
        revoked = Stopwatch()
        while agent.code is None:
            await asyncio.sleep(0.005)
            assert revoked.seconds() < REVOKED_WITHIN_S

    assert agent.code == 4403


async def test_revocation_that_no_channel_announced_is_seen_once_the_channel_is_back(
    running: Running, fleet: Fleet
) -> None:
    identity = fleet.enrol()
    async with dial(running, identity) as agent:
        await running.gateway.published.changes.stop()
        await until(lambda: not running.gateway.tables.is_hearing())
        gone = replace(identity.entry, version=2, gone=True)
        fleet.valkey.set(agent_key(gone.agent), agents.dump(gone))
        running.gateway.published.changes.start()
        await until(lambda: agent.code is not None, 10.0)

    assert agent.code == 4403


async def test_known_agents_serve_on_while_valkey_is_away_and_strangers_are_told_to_wait(
    running: Running, fleet: Fleet
) -> None:
    fleet.pool("agt_1")
    known, stranger = fleet.enrol(), Identity(fleet.platform, "agt_9")
    stranger.now = time.time()
    async with dial(running, known) as agent:
        assert (await running.ask(ask())).status == 200
        await running.gateway.published.changes.stop()
        await running.gateway.link.stop()
        await until(lambda: not running.gateway.tables.is_hearing())

        assert (await running.ask(ask())).status == 200
        async with dial(running, known, boot="b"):
            assert len(running.gateway.agents.links.of_agent("agt_1")) == 2
        url = f"ws://localhost:{running.port}{TUNNEL}"
        async with DialledAgent(stranger, url, polite) as refused:
            assert refused.code == 1013
        assert agent.code is None


async def test_suspended_agent_is_told_keeps_its_link_and_gets_no_work(
    running: Running, fleet: Fleet
) -> None:
    identity = fleet.enrol(state=PENDING)
    fleet.pool("agt_1")
    async with dial(running, identity) as agent:
        assert agent.welcome["state"] == PENDING
        before = await running.ask(ask())
        for version, state in ((2, ACTIVE), (3, SUSPENDED), (4, DRAINING)):
            fleet.publish(replace(identity.entry, version=version, state=state, models=("a",)))
            await until(lambda: agent.heard[-1][1].get("version") == version)  # noqa: B023
            assert agent.heard[-1] == (
                frames.ASSIGN,
                {"version": version, "state": state, "models": ["a"], "gateways": 1},
            )
            heard = await running.ask(ask())
            assert heard.status == (200 if state == ACTIVE else 503)

        assert agent.code is None
    assert (before.status, before.error["code"]) == (503, "endpoint_inactive")


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
    config: PlaneConfig, world: World, fleet: Fleet
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
    config: PlaneConfig, world: World, fleet: Fleet
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
