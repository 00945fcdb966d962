"""What a gateway refuses is counted for its owner, and found by its id; junk fills nothing."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from inference.contracts.tallies import (
    BATCH_FIELD,
    REFUSALS,
    RefusalBatch,
    RefusedRequest,
    batch_from,
)
from inference.gate.tables import Tables
from inference.http.fields import Names
from inference.http.problems import Refused
from inference.sources.link import Link
from inference.sources.url import ValkeyUrl
from inference.telemetry.outcome import Outcome
from inference.telemetry.refusals import KINDS_MAX, LAST_OF_A_KIND, TALLIES_MAX, Refusals
from inference.tests.asks import route_of
from inference.tests.test_tables import Clock, ScriptedSource
from tests.plane.caller import request
from tests.plane.conftest import Running, until
from tests.plane.world import ASK, CHAT, KEY, PROJECT, RIVAL, World, make_key

pytestmark = pytest.mark.anyio

Counts = dict[tuple[str, str, str, str], int]


def batches(world: World) -> list[RefusalBatch]:
    entries: Any = world.valkey.xrange(REFUSALS)
    return [batch_from(fields[BATCH_FIELD]) for _, fields in entries]


def counts(world: World) -> Counts:
    found: Counts = {}
    for tally in (tally for batch in batches(world) for tally in batch.tallies):
        name = (tally.project, tally.endpoint, tally.key_id, tally.code)
        found[name] = found.get(name, 0) + tally.count
    return found


async def told(world: World, count: int) -> Counts:
    await until(lambda: sum(counts(world).values()) >= count, timeout_s=5)
    return counts(world)


async def test_refusals_of_a_second_are_one_message_with_their_counts(
    running: Running, world: World
) -> None:
    world.route(version=2, paused=True)
    for _ in range(20):
        await running.ask(request(CHAT, ASK, key=KEY))

    found = await told(world, 20)

    assert found == {(PROJECT, "chat", "key_Ada", "endpoint_inactive"): 20}
    assert len(batches(world)) <= 4


async def test_refused_request_is_found_by_our_id_and_by_the_callers(
    running: Running, world: World
) -> None:
    world.grant(version=2, ip_block=("127.0.0.0/8",))

    heard = await running.ask(request(CHAT, ASK, key=KEY, headers={"X-Request-ID": "mine-7"}))
    await told(world, 1)

    [one] = [one for batch in batches(world) for one in batch.requests]
    assert one.request_id == heard.header("x-xerotier-request-id")
    assert (one.caller_request_id, one.code, one.status) == ("mine-7", "ip_not_allowed", 403)
    assert (one.project, one.endpoint, one.key_id) == (PROJECT, "chat", "key_Ada")
    assert one.message == heard.error["message"]
    assert abs(one.at - time.time()) < 10


async def test_refusal_belongs_to_the_owner_of_the_key_not_of_the_path(
    running: Running, world: World
) -> None:
    world.route(project=RIVAL)

    await running.ask(request(f"/{RIVAL}/chat/v1/chat/completions", ASK, key=KEY))

    assert await told(world, 1) == {(PROJECT, "", "key_Ada", "cross_project_access"): 1}


async def test_unknown_key_is_counted_where_it_knocked_and_a_revoked_one_by_its_name(
    running: Running, world: World
) -> None:
    world.grant(version=2, gone=True)
    # Until Valkey was looked at nobody's key is called unknown.
    await until(lambda: running.gateway.admission.limiter.is_restored)

    await running.ask(request(CHAT, ASK, key=make_key(9)))
    await running.ask(request(CHAT, ASK, key=KEY))

    assert await told(world, 2) == {
        (PROJECT, "chat", "", "invalid_api_key"): 1,
        (PROJECT, "chat", "key_Ada", "invalid_api_key"): 1,
    }


async def test_what_nobody_owns_is_told_to_nobody(running: Running, world: World) -> None:
    for number in range(20):
        path = f"/proj_Nobody{number}/slug{number}/v1/chat/completions"
        await running.ask(request(path, ASK, key=make_key(100 + number)))
    await running.ask(request(f"/{PROJECT}/junk/v1/chat/completions", ASK, key=KEY))

    assert await told(world, 1) == {(PROJECT, "", "key_Ada", "endpoint_not_found"): 1}


async def test_suspended_project_is_refused_by_its_own_code_and_reason(
    running: Running, world: World
) -> None:
    world.route(version=2, suspended="Unpaid since May")

    heard = await running.ask(request(CHAT, ASK, key=KEY))
    models = await running.ask(request(f"/{PROJECT}/chat/v1/models", key=KEY, method="GET"))

    assert (heard.status, heard.error["code"]) == (403, "project_suspended")
    assert "Unpaid since May" in heard.error["message"]
    assert models.error["code"] == "project_suspended"


# ── Without a Valkey ───────────────────────────────────────────────────────────────────


def refusals() -> Refusals:
    """Return a counter whose Valkey was never there."""
    loop = asyncio.get_running_loop()
    tables = Tables(ScriptedSource(), Clock())
    return Refusals(Link(ValkeyUrl.read("redis://127.0.0.1:1/0")), tables, loop, lambda: 120.5)


def outcome(number: int, *, key_id: str) -> Outcome:
    found = Outcome(Names(f"req_{number}"), began_at=1.0)
    found.route, found.key_id = route_of(), key_id
    return found


async def test_flood_of_different_keys_and_ids_takes_bounded_memory() -> None:
    counter = refusals()

    for number in range(20_000):
        counter.refused(outcome(number, key_id=f"key_{number}"), Refused("ip_not_allowed", "No."))
    batch = counter._batch()

    assert len(batch.tallies) == TALLIES_MAX
    assert counter.untold == 20_000 - TALLIES_MAX
    assert len(batch.requests) == LAST_OF_A_KIND <= KINDS_MAX
    assert len(batch.text()) < 500_000
    await counter.stop()


async def test_flood_of_one_kind_hides_no_other() -> None:
    counter = refusals()

    counter.refused(outcome(0, key_id="key_a"), Refused("ip_not_allowed", "No."))
    for number in range(1, 5000):
        counter.refused(outcome(number, key_id="key_a"), Refused("quota_exceeded", "No."))

    kept: list[RefusedRequest] = list(counter._batch().requests)
    assert [one.request_id for one in kept if one.code == "ip_not_allowed"] == ["req_0"]
    assert [one.request_id for one in kept if one.code == "quota_exceeded"][-1] == "req_4999"
    await counter.stop()


async def test_batch_that_nobody_took_is_told_again_as_it_was() -> None:
    counter = refusals()
    counter.refused(outcome(0, key_id="key_a"), Refused("ip_not_allowed", "No."))

    counter._tell()
    first = counter._telling
    counter.refused(outcome(1, key_id="key_a"), Refused("ip_not_allowed", "No."))
    counter._on_told(ConnectionError())
    counter._tell()

    assert counter._telling == first
    counter._on_told(b"1-1")
    counter._tell()
    assert batch_from(counter._telling).batch_id != batch_from(first).batch_id
    await counter.stop()
