"""Several gateways: each reaches every agent, over a link of its own or by way of another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from cryptography.fernet import Fernet

from inference.contracts.agents import SUSPENDED
from inference.contracts.names import LINKS
from inference.exchange.config import PlaneConfig
from inference.tests.dialled_agent import AgentStream
from tests.plane.conftest import Running, serve, until
from tests.plane.enrolled import EVENTS, Fleet, ask, dial
from tests.plane.workers import DONE, completion, delta
from tests.plane.world import STREAM, World

pytestmark = pytest.mark.anyio


@pytest.fixture
def edge() -> str:
    """Test over one edge: what is asked here lies behind both."""
    return "fast"


@pytest.fixture
def shared(config: PlaneConfig) -> PlaneConfig:
    return replace(config, keyring=(Fernet.generate_key().decode(),))


@pytest.fixture
def fleet(world: World) -> Fleet:
    return Fleet(world)


@asynccontextmanager
async def gateway(config: PlaneConfig, name: str) -> AsyncIterator[Running]:
    async with serve(replace(config, journal_dir=f"{config.journal_dir}-{name}")) as running:
        await until(lambda: running.gateway.admission.limiter.is_restored)
        yield running


async def written(fleet: Fleet) -> None:
    """Wait until what a gateway knows of a link lies in Valkey, for others to read."""

    def is_told() -> bool:
        keys = [f"link:{member!s}" for member in fleet.valkey.zrange(LINKS, 0, -1)]
        return any('"ready"' in str(fleet.valkey.get(key)) for key in keys)

    await until(is_told)


async def test_gateway_that_has_just_started_serves_by_way_of_one_that_has_the_link(
    shared: PlaneConfig, world: World, fleet: Fleet
) -> None:
    fleet.pool("agt_1")
    async with gateway(shared, "one") as one, dial(one, fleet.enrol()) as agent:
        await written(fleet)
        async with gateway(shared, "two") as two:
            heard = await two.ask(ask())
            assert (heard.status, heard.body) == (200, completion())
            [stream] = agent.streams.values()
            assert f"x-request-id: {heard.header('x-request-id')}\r\n".encode() in stream.lines
            await until(world.events)
            [event] = world.events()  # One request, admitted and counted where it came in.
            assert event["decision"] == {
                "tried": 0,
                "candidates": 1,
                "in_flight": 0,
                "fallback": 0,
                "hops": 1,
                "predicted_ms": 52,  # 50 ms, and 150 µs a token: nothing is known yet.
                "hit_tokens": 0,
                "target": 0,
            }
            assert world.held() == {}

            async with dial(two, agent.identity, boot="ab" * 8):
                assert (await two.ask(ask())).status == 200
                await until(lambda: len(world.events()) == 2)
                assert sorted(one["decision"]["hops"] for one in world.events()) == [0, 1]
                assert two.gateway.hops.counts()["hops"]["asked"] == 1


async def test_stream_by_way_of_another_gateway_is_cancelled_and_is_waited_for_at_its_stop(
    shared: PlaneConfig, fleet: Fleet
) -> None:
    go_on = asyncio.Event()

    async def slow(stream: AgentStream) -> None:
        await stream.head(200, EVENTS)
        await stream.data(delta("Pa"))
        await go_on.wait()
        await stream.data(DONE, is_last=True)

    fleet.pool("agt_1")
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(gateway(shared, "one"))
        agent = await stack.enter_async_context(dial(one, fleet.enrol(), slow))
        await written(fleet)
        two = await stack.enter_async_context(gateway(shared, "two"))
        leaver, stayer = await two.connect(), await two.connect()
        await leaver.send(ask(STREAM))
        await leaver.head()
        leaver.reset()
        await until(lambda: agent.streams[1].reset is not None)
        await stayer.send(ask(STREAM))
        heard = await stayer.head()
        one.server.stop()
        await until(lambda: one.gateway.agents.tunnel.is_leaving)
        assert (await two.ask(ask())).error["code"] == "capacity_exceeded"
        go_on.set()
        await stayer.rest(heard)

    assert heard.complete
    assert heard.body.endswith(DONE)


async def test_suspended_agent_is_asked_by_no_way(shared: PlaneConfig, fleet: Fleet) -> None:
    fleet.pool("agt_1")
    identity = fleet.enrol()
    async with gateway(shared, "one") as one, dial(one, identity) as agent:
        await written(fleet)
        async with gateway(shared, "two") as two:
            assert (await two.ask(ask())).status == 200
            fleet.publish(replace(identity.entry, version=2, state=SUSPENDED))
            await until(lambda: agent.heard[-1][1].get("state") == SUSPENDED)
            heard = await two.ask(ask())

    assert heard.status in (502, 503)
    assert len(agent.streams) == 1


async def test_gateways_without_a_keyring_don_t_hop_and_say_nobody_is_there(
    config: PlaneConfig, fleet: Fleet
) -> None:
    fleet.pool("agt_1")
    async with gateway(config, "one") as one, dial(one, fleet.enrol()):
        await written(fleet)
        async with gateway(config, "two") as two:
            heard = await two.ask(ask())

    assert (heard.status, heard.error["code"]) == (503, "endpoint_inactive")


async def test_nothing_is_read_of_others_where_every_agent_has_a_link(
    shared: PlaneConfig, fleet: Fleet
) -> None:
    class Spy:
        """Valkey as seen by the hops alone."""

        is_up = True

        def call(self, *parts: Any, then: Any) -> None:
            asked.append(str(parts[0]))
            one.gateway.link.call(*parts, then=then)

    asked: list[str] = []
    async with gateway(shared, "one") as one, dial(one, fleet.enrol()):
        await written(fleet)
        one.gateway.hops._valkey = Spy()  # type: ignore[assignment] # why: a spy
        one.gateway.hops._look()
        await until(lambda: asked and not one.gateway.hops._is_looking)

    assert set(asked) == {"ZRANGE"}
