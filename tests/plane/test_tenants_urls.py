"""A worker whose URL a tenant typed is asked within the rules: for requests and for probes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from cryptography.fernet import Fernet

from inference.contracts.names import GATEWAYS, POOLS, sighting_key
from inference.exchange.config import PlaneConfig
from tests.plane.caller import request
from tests.plane.conftest import Hire, Running, serve, until
from tests.plane.workers import answer, completion
from tests.plane.world import ASK, CHAT, KEY, World

pytestmark = pytest.mark.anyio
RING = Fernet.generate_key().decode()
SEALED = Fernet(RING).encrypt(b"s3cret").decode()
EVERY_S = 0.2


@pytest.fixture
def edge() -> str:
    """Take one: a worker is asked alike whoever asks."""
    return "fast"


@pytest.fixture
def allowing(config: PlaneConfig) -> PlaneConfig:
    waits = replace(config.waits, probe_every_s=EVERY_S)
    return replace(config, outgoing_allow=("127.0.0.0/8",), keyring=(RING,), waits=waits)


@pytest.fixture
async def open_gateway(allowing: PlaneConfig, world: World) -> AsyncIterator[Running]:
    async with serve(allowing) as running:
        await until(lambda: running.gateway.admission.limiter.is_restored)
        yield running


@pytest.fixture
async def shut_gateway(allowing: PlaneConfig, world: World) -> AsyncIterator[Running]:
    async with serve(replace(allowing, outgoing_allow=())) as running:
        await until(lambda: running.gateway.admission.limiter.is_restored)
        yield running


def seen(world: World) -> list[Any]:
    """Return what the gateway wrote down of the worker: out, last answer, at work, heard."""
    names: Any = world.valkey.zrange(GATEWAYS, 0, -1)
    texts: Any = [world.valkey.get(sighting_key(name)) for name in names]
    found: list[Any] = json.loads(texts[0]).get("wrk_0", []) if texts and texts[0] else []
    return found


async def test_tenants_worker_is_asked_with_its_credential_where_operators_allow_it(
    open_gateway: Running, hire: Hire, world: World
) -> None:
    worker = await hire([answer(completion())])
    world.serve("", version=2, tenant_url=worker.url, credential=SEALED)

    heard = await open_gateway.ask(request(CHAT, ASK, key=KEY))

    assert heard.status == 200
    asked = [one for one in worker.asked if one.line.startswith("POST")]
    assert [one.header("authorization") for one in asked] == ["Bearer s3cret"]


async def test_tenants_worker_in_our_own_network_is_never_reached(
    shut_gateway: Running, hire: Hire, world: World
) -> None:
    worker = await hire([answer(completion())])
    world.serve("", version=2, tenant_url=worker.url)

    heard = await shut_gateway.ask(request(CHAT, ASK, key=KEY))

    assert heard.status == 502
    assert worker.asked == []


async def test_operators_worker_at_the_same_place_is_asked(
    shut_gateway: Running, hire: Hire
) -> None:
    worker = await hire([answer(completion())])

    assert (await shut_gateway.ask(request(CHAT, ASK, key=KEY))).status == 200
    assert worker.asked


async def test_worker_that_is_taken_from_its_pool_is_asked_nothing_more(
    open_gateway: Running, hire: Hire, world: World
) -> None:
    worker = await hire([answer(completion())])
    world.serve("", version=2, tenant_url=worker.url)
    assert (await open_gateway.ask(request(CHAT, ASK, key=KEY))).status == 200

    world.serve(version=3)

    async def is_refused() -> bool:
        return (await open_gateway.ask(request(CHAT, ASK, key=KEY))).status == 503

    while not await is_refused():
        pass
    count = len([one for one in worker.asked if one.line.startswith("POST")])
    assert await is_refused()
    assert len([one for one in worker.asked if one.line.startswith("POST")]) == count


@pytest.mark.slow  # A probe and a sighting come by the clock.
async def test_probe_goes_the_same_way_and_says_why_it_got_nowhere(
    shut_gateway: Running, hire: Hire, world: World
) -> None:
    worker = await hire([answer(completion())])
    world.valkey.sadd(POOLS, "shared/small")
    world.serve("", version=2, tenant_url=worker.url)
    await shut_gateway.ask(request(CHAT, ASK, key=KEY))

    await until(lambda: seen(world) and seen(world)[0], 30)

    is_out, answered_at, _, heard = seen(world)
    assert (is_out, answered_at) == (True, None)
    assert "127.0.0.1 is the platform's own machine" in heard
    assert worker.asked == []


@pytest.mark.slow  # As above.
async def test_probe_says_the_status_it_got(
    open_gateway: Running, hire: Hire, world: World
) -> None:
    worker = await hire([answer(b"{}", status=401)])
    world.valkey.sadd(POOLS, "shared/small")
    world.serve("", version=2, tenant_url=worker.url)
    await open_gateway.ask(request(CHAT, ASK, key=KEY))

    await until(lambda: seen(world) and seen(world)[3], 30)

    assert seen(world)[3] == "401"
