"""Workers are chosen by what is known of them, and every choice can be read afterwards."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from inference.contracts.policies import POWER_OF_TWO
from inference.contracts.records import KEPT, RECORDS, RECORDS_FIELD, DecisionRecord, read_records
from tests.plane.caller import request
from tests.plane.conftest import Hire, Running, until
from tests.plane.workers import (
    BREAK,
    DONE,
    SSE_END,
    SSE_HEAD,
    Script,
    answer,
    chunk,
    completion,
    delta,
    stream,
    usage_event,
)
from tests.plane.world import ASK, CHAT, KEY, STREAM, World

pytestmark = pytest.mark.anyio

QUICK: Script = stream(delta("Paris"), usage_event(), DONE)
LONG = "Lorem ipsum dolor sit amet. " * 400


def saying(text: str) -> dict[str, Any]:
    """Return a streamed question."""
    return {**STREAM, "messages": [{"role": "user", "content": text}]}


def records(world: World) -> list[DecisionRecord]:
    """Return what was told of decisions so far."""
    entries: Any = world.valkey.xrange(RECORDS)
    return [one for _, fields in entries for one in read_records(fields[RECORDS_FIELD])]


def at_rest(running: Running) -> bool:
    """Say whether the router counts nothing as in flight."""
    state = running.gateway.choosing.scales.state
    names = [worker.worker_id for worker in running.gateway.plane.workers_in_use()]
    known = [state.known(name) for name in names]
    return all(
        one is None or (one.in_flight, one.backlog, one.importance) == (0, 0, 0) for one in known
    )


async def test_a_conversation_stays_where_it_was_read(running: Running, hire: Hire) -> None:
    workers = [await hire(QUICK) for _ in range(4)]
    await running.ask(request(CHAT, saying(LONG), key=KEY))
    [home] = [worker for worker in workers if worker.asked]

    for turn in range(12):
        # Others' questions come between, and go anywhere.
        await running.ask(request(CHAT, saying(f"{turn} {turn}"), key=KEY))
        before = len(home.asked)
        await running.ask(request(CHAT, saying(LONG + "And then? " * turn), key=KEY))
        assert len(home.asked) == before + 1


async def test_a_slow_worker_is_asked_less_than_a_quick_one(running: Running, hire: Hire) -> None:
    slow = await hire([SSE_HEAD, 0.15, *QUICK[1:]])
    quick = await hire(QUICK)

    for number in range(60):
        await running.ask(request(CHAT, saying(f"{number}"), key=KEY))

    assert len(slow.asked) < 15
    assert len(quick.asked) > 45


async def test_ttft_is_when_the_first_words_come_and_not_the_head(
    running: Running, hire: Hire, world: World
) -> None:
    await hire([SSE_HEAD, 0.3, chunk(delta("Pa")), chunk(usage_event()), chunk(DONE), SSE_END])

    await running.ask(request(CHAT, STREAM, key=KEY))

    await until(world.events)
    [event] = world.events()
    assert event["ttft_ms"] > 290


async def test_another_worker_takes_over_during_prefill(running: Running, hire: Hire) -> None:
    for _ in range(2):
        await hire([SSE_HEAD, 0.05, BREAK])
    await hire(QUICK)

    said = [(await running.ask(request(CHAT, STREAM, key=KEY))) for _ in range(4)]

    assert [heard.status for heard in said] == [200] * 4
    assert all(b"Paris" in heard.body for heard in said)


async def test_every_attempt_has_a_record_of_what_was_known(
    running: Running, hire: Hire, world: World
) -> None:
    for _ in range(2):
        await hire([BREAK])
    await hire(QUICK)
    slo = {"X-SLO-TTFT-Ms": "9000"}

    heard = await running.ask(request(CHAT, STREAM, key=KEY, headers=slo))

    ours = "req_" + (heard.header("x-xerotier-decision-id") or "")[4:]
    await until(lambda: records(world))
    told = records(world)
    assert {record.request_id for record in told} == {ours}
    assert [record.attempt for record in told] == list(range(len(told)))
    last = told[-1]
    assert (last.came.ending, last.came.target) == ("complete", KEPT)
    assert (last.worker_id, last.ttft_us) == (heard.header("x-xerotier-worker-id"), 9_000_000)
    assert {record.came.ending for record in told[:-1]} <= {"worker_broke"}


async def test_p2c_is_a_switch_of_the_endpoint(running: Running, hire: Hire, world: World) -> None:
    workers = [await hire(QUICK) for _ in range(2)]
    world.route(version=2, policy=POWER_OF_TWO)
    await until(lambda: len(workers) == 2)

    for _ in range(24):
        await running.ask(request(CHAT, saying(LONG), key=KEY))

    assert min(len(worker.asked) for worker in workers) >= 3


async def test_a_fault_in_the_router_costs_no_request(running: Running, hire: Hire) -> None:
    await hire([answer(completion())])
    choosing = running.gateway.choosing
    router, spoiled = choosing.router, choosing.scales.state.elsewhere
    said: dict[str, Any] = {f"wrk_{number}": {"another": None} for number in range(4)}
    spoiled._by_worker.update(said)

    statuses = Counter([(await running.ask(request(CHAT, ASK, key=KEY))).status for _ in range(5)])

    assert statuses == {200: 5}
    assert router.faults == 5
    router.faults = 0


@pytest.mark.parametrize(
    ("script", "body"),
    [
        (QUICK, STREAM),
        ([BREAK], ASK),
        ([answer(b'{"error":"no"}', 500)], ASK),
        ([answer(completion())], ASK),
        ([answer(completion())], {**ASK, "n": "two"}),
    ],
    ids=["stream", "broken", "error", "plain", "refused"],
)
async def test_nothing_stays_in_flight_however_requests_end(
    running: Running, hire: Hire, script: Script, body: dict[str, Any]
) -> None:
    for _ in range(3):
        await hire(script)
    for _ in range(10):
        await running.ask(request(CHAT, body, key=KEY))
    assert at_rest(running)


async def test_nothing_stays_in_flight_of_a_caller_that_leaves(
    running: Running, hire: Hire
) -> None:
    await hire([SSE_HEAD, chunk(delta("Pa")), ...])
    connection = await running.connect()
    await connection.send(request(CHAT, STREAM, key=KEY))
    await until(lambda: not at_rest(running))
    await connection.close()
    await until(lambda: at_rest(running))
