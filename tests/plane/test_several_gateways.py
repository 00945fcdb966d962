"""Several gateways behind one address: each has a link to the same agent, and each ends it."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import pytest

from inference.exchange.config import PlaneConfig
from inference.fleet.tunnel import frames
from tests.chaos.relay import Relay
from tests.clock import Stopwatch
from tests.plane.conftest import Running, serve, until
from tests.plane.enrolled import Fleet, dial
from tests.plane.enrolled import ask as asked
from tests.plane.test_xim import ask, dialled, mark
from tests.plane.world import World

pytestmark = pytest.mark.anyio

GATEWAYS = 3
REVOKED_WITHIN_S = 1.0


@pytest.fixture
def edge() -> str:
    """Test over one edge: links lie behind both."""
    return "fast"


@pytest.fixture
def fleet(world: World) -> Fleet:
    return Fleet(world)


@asynccontextmanager
async def gateways(
    config: PlaneConfig, number: int, port: int | None = None
) -> AsyncIterator[list[Running]]:
    """Run so many; on one port, if it is given, as the processes of one gateway do."""
    async with AsyncExitStack() as stack:
        running = []
        for name in range(number):
            own = replace(config, journal_dir=f"{config.journal_dir}-{name}")
            listener = None
            if port is not None:
                listener = socket.create_server(("127.0.0.1", port), reuse_port=True)
                port = listener.getsockname()[1]
            running.append(await stack.enter_async_context(serve(own, listener=listener)))
        for one in running:
            await until(lambda one=one: one.gateway.admission.limiter.is_restored)  # type: ignore[misc]
        yield running


@pytest.mark.parametrize("how", ["balancer", "workers"])
async def test_agent_holds_a_link_to_each_gateway_behind_one_address(
    config: PlaneConfig, fleet: Fleet, how: str
) -> None:
    fleet.pool("agt_1")
    enrolled = fleet.enrol()
    async with gateways(config, GATEWAYS, 0 if how == "workers" else None) as running:
        ports = [one.port for one in running]
        relay = Relay("127.0.0.1", ports, ports[0])
        await relay.start()
        links = [one.gateway.agents.links for one in running]
        port = relay.port if how == "balancer" else ports[0]
        async with dialled(running[0], enrolled, by=port) as keeper:
            async with asyncio.timeout(60):  # A kernel hands dials out by chance.
                while not all(any(x.said for x in each.of_agent("agt_1")) for each in links):
                    await asyncio.sleep(0.05)
            assert len(keeper.links) == GATEWAYS
            assert [len(each.every()) for each in links] == [1] * GATEWAYS
            if how == "balancer":
                for number, one in enumerate(running):
                    heard = await one.ask(ask(f"question {number}", max_tokens=5))
                    assert mark(f"question {number}") in heard.body.decode()
        relay.stop()


async def test_revoked_agent_is_cut_within_a_second_on_two_gateways(
    config: PlaneConfig, fleet: Fleet
) -> None:
    identity = fleet.enrol()
    async with (
        gateways(config, 2) as (one, two),
        dial(one, identity) as first,
        dial(two, identity) as second,
    ):
        fleet.publish(replace(identity.entry, version=2, gone=True))
        revoked = Stopwatch()
        while None in (first.code, second.code):
            await asyncio.sleep(0.005)
            assert revoked.seconds() < REVOKED_WITHIN_S

    assert (first.code, second.code) == (4403, 4403)


async def test_token_that_ends_on_a_live_link_costs_no_request_and_a_renewed_one_counts(
    config: PlaneConfig, fleet: Fleet
) -> None:
    fleet.pool("agt_1")
    identity = fleet.enrol()
    ends_at = int(time.time()) + 2
    token = identity.token(exp=ends_at)
    async with gateways(config, 1) as (one,), dial(one, identity, token=token) as agent:
        await asyncio.sleep(max(ends_at - time.time(), 0) + 0.3)
        assert (await one.ask(asked())).status == 200  # Ended, and honoured.
        await agent.say(frames.TOKEN, {"token": identity.token()})
        await until(lambda: (frames.TOKEN, {}) in agent.heard)
        assert (await one.ask(asked())).status == 200
        assert agent.code is None


async def test_token_that_ended_is_honoured_for_as_long_as_an_outage_may_last_and_then_no_more(
    config: PlaneConfig, fleet: Fleet
) -> None:
    identity = fleet.enrol()
    ends_at = int(time.time()) + 2
    token, short = identity.token(exp=ends_at), replace(config, outage_s=1.0)
    async with gateways(short, 1) as (one,), dial(one, identity, token=token) as agent:
        await asyncio.sleep(max(ends_at - time.time(), 0) + 0.3)
        is_past = time.time() >= ends_at + 1.0
        assert agent.code is None or is_past
        async with asyncio.timeout(10):
            while agent.code is None:
                await asyncio.sleep(0.02)

    assert agent.code == 4401
