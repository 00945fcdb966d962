"""A project's own machines first; where they can't, the platform's, on its terms and never free."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import pytest

from inference.contracts.decisions import ALL_FULL, NOBODY_THERE
from inference.contracts.entries import Pool, Worker
from inference.contracts.names import pool_key, shard_tag
from inference.contracts.operations import OPERATIONS
from tests.plane.caller import Heard, request
from tests.plane.conftest import Running, until
from tests.plane.workers import ScriptedWorker, answer, completion
from tests.plane.world import ASK, CHAT, KEY, PROJECT, ROUTE, TERMS, World

pytestmark = pytest.mark.anyio

OWN, SHARED = "own/small", "shared/gpu/small"
OWN_TERMS = replace(TERMS, tier="self_hosted", concurrent=1)
PAID = replace(TERMS, tier="gpu", version=7, price_per_million=1_000_000, concurrent=1)


@dataclass
class Machines:
    """Machines of the project's own, and of the platform, as they are published."""

    world: World
    started: list[ScriptedWorker] = field(default_factory=list)
    pools: dict[str, list[Worker]] = field(default_factory=dict)

    async def start(self, pool: str, *script: object, slots: int | None = None) -> ScriptedWorker:
        """Start one in a pool. It answers, or does what the script says."""
        worker = ScriptedWorker(list(script) or [answer(completion())])
        await worker.start()
        self.started.append(worker)
        name = f"wrk_{len(self.started)}"
        served = Worker(name, worker.url, "small", tuple(OPERATIONS), slots=slots, region="eu")
        self.pools.setdefault(pool, []).append(served)
        self.publish(pool, len(self.started))
        return worker

    def publish(self, pool: str, version: int) -> None:
        workers = tuple(self.pools.get(pool, ()))
        self.world._put(pool_key(pool), Pool(version, pool, workers))


@pytest.fixture
async def machines(world: World) -> AsyncIterator[Machines]:
    own = replace(ROUTE, terms=OWN_TERMS, pools=(OWN,))
    fallback = replace(own, terms=PAID, pools=(SHARED,))
    world.route(version=2, terms=OWN_TERMS, pools=(OWN,), fallback=fallback)
    world.top_up(10**9)
    machines = Machines(world)
    yield machines
    for worker in machines.started:
        await worker.stop()


async def ask(running: Running) -> Heard:
    return await running.ask(request(CHAT, ASK, key=KEY))


async def test_own_machine_serves_while_it_can_and_nothing_is_charged(
    running: Running, machines: Machines, world: World
) -> None:
    own, shared = await machines.start(OWN), await machines.start(SHARED)

    for _ in range(3):
        assert (await ask(running)).status == 200

    await until(lambda: len(world.events()) == 3)
    assert (len(own.asked), len(shared.asked)) == (3, 0)
    assert {event["tier"] for event in world.events()} == {"self_hosted"}
    assert {event["cost"] for event in world.events()} == {0}
    assert {event["decision"]["fallback"] for event in world.events()} == {0}


async def test_platforms_machine_serves_where_none_of_ones_own_is_there_at_its_price(
    running: Running, machines: Machines, world: World
) -> None:
    await machines.start(SHARED)

    assert (await ask(running)).status == 200

    await until(world.events)
    [event] = world.events()
    assert (event["tier"], event["terms_version"]) == ("gpu", 7)
    assert event["cost"] == event["tokens_in"] + event["tokens_out"] > 0
    assert event["decision"]["fallback"] == NOBODY_THERE


async def test_full_machines_spill_over_and_each_tier_counts_its_own_at_once(
    running: Running, machines: Machines, world: World
) -> None:
    own = await machines.start(OWN, ..., slots=1)
    await machines.start(SHARED)
    holding = await running.connect()
    await holding.send(request(CHAT, ASK, key=KEY))
    await until(lambda: own.asked)

    # One runs on each tier's own limit of one: that of the other tier is not in its way.
    assert (await ask(running)).status == 200

    holding.reset()
    await until(lambda: len(world.events()) == 2)
    by_tier = {event["tier"]: event for event in world.events()}
    assert by_tier["gpu"]["decision"]["fallback"] == ALL_FULL
    assert by_tier["self_hosted"]["decision"]["fallback"] == 0


async def test_fallback_is_refused_where_the_money_is_used_up(
    running: Running, machines: Machines, world: World
) -> None:
    world.valkey.fcall("xt1_grant", 1, shard_tag(PROJECT), PROJECT, "0", "2")
    shared = await machines.start(SHARED)

    heard = await ask(running)

    assert (heard.status, heard.error["code"]) == (429, "insufficient_balance")
    assert not shared.asked


async def test_own_machine_that_comes_back_serves_the_very_next_request(
    running: Running, machines: Machines, world: World
) -> None:
    shared = await machines.start(SHARED)
    caller = await running.connect()
    for _ in range(3):  # The same head again and again: what the gate said of it must not last.
        await caller.send(request(CHAT, ASK, key=KEY))
        assert (await caller.answer()).status == 200

    own = await machines.start(OWN)
    await until(lambda: running.gateway.plane.tables.look(pool_key(OWN)) is None or own.asked)
    await caller.send(request(CHAT, ASK, key=KEY))

    assert (await caller.answer()).status == 200
    assert (len(shared.asked), len(own.asked)) == (3, 1)


async def test_nobody_at_all_is_said_of_both(running: Running, machines: Machines) -> None:
    machines.publish(OWN, 1)
    machines.publish(SHARED, 1)

    heard = await ask(running)

    assert (heard.status, heard.error["code"]) == (503, "endpoint_inactive")
    assert "nor does one of the tier gpu" in heard.error["message"]


async def test_health_is_that_of_either(running: Running, machines: Machines) -> None:
    health = CHAT.replace("v1/chat/completions", "health")
    machines.publish(OWN, 1)
    await machines.start(SHARED)

    assert (await running.ask(request(health, method="GET"))).status == 200
