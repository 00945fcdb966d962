"""Nonsense counts like sense, and neither keeps the others from having their turns."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from inference.contracts.names import CHANGES
from tests.clock import own_time
from tests.plane.caller import request
from tests.plane.conftest import Hire, Running, until
from tests.plane.workers import answer, chunk, completion
from tests.plane.world import ASK, CHAT, KEY, TERMS, World

pytestmark = pytest.mark.anyio

CHUNKED = request(CHAT, key=KEY, headers={"Transfer-Encoding": "chunked"})
BROKEN = b'{"model":"x","\\u0061":1,' + b'"a":1,' * (250 * 1024 // 6) + b'"z":'
NESTED = b'{"model":"x","messages":[' + b'{"a":[[],"b"]},' * 120_000 + b"1]}"
TURN_S = 0.06
"""Of all that a turn of the loop does here, callers and workers included, on a busy machine."""


async def test_malformed_requests_count_and_end_in_429(
    running: Running, hire: Hire, world: World
) -> None:
    world.route(version=2, terms=replace(TERMS, requests_per_min=6))
    worker = await hire([answer(completion())])

    heard = [await running.ask(request(CHAT, b'{"model":', key=KEY)) for _ in range(8)]
    after = await running.ask(request(CHAT, ASK, key=KEY))

    assert [one.status for one in heard][:3] == [400, 400, 400]
    assert [one.status for one in heard][-3:] == [429, 429, 429]
    assert heard[-1].error["code"] == after.error["code"] == "rate_limit_exceeded"
    assert int(after.header("retry-after") or 0) >= 1
    assert after.header("x-ratelimit-remaining-requests") == "0"
    assert worker.asked == []
    await until(lambda: len(world.events()) == [one.status for one in heard].count(400))
    assert {(event["status"], event["cost"]) for event in world.events()} == {(400, 0)}
    assert world.held() == {}


async def test_quota_of_a_key_counts_malformed_requests(running: Running, world: World) -> None:
    world.grant(version=2, quota_requests=2, quota_window_s=3600)
    world.serve("http://127.0.0.1:1/v1")

    heard = [await running.ask(request(CHAT, b"[]", key=KEY)) for _ in range(4)]

    assert [one.status for one in heard] == [400, 400, 429, 429]
    assert heard[-1].error["code"] == "quota_exceeded"


async def test_who_was_told_to_wait_is_told_again_without_being_read(
    running: Running, hire: Hire, world: World
) -> None:
    world.route(version=2, terms=replace(TERMS, requests_per_min=1))
    await hire([answer(completion())])
    for _ in range(5):
        await running.ask(request(CHAT, ASK, key=KEY))
    calls = world.valkey.info("commandstats")["cmdstat_fcall"]["calls"]

    heard = [await running.ask(request(CHAT, BROKEN, key=KEY)) for _ in range(3)]

    assert [one.status for one in heard] == [429, 429, 429]
    assert world.valkey.info("commandstats")["cmdstat_fcall"]["calls"] == calls


async def test_who_was_told_to_wait_is_told_so_before_the_body_has_come(
    running: Running, hire: Hire, world: World
) -> None:
    world.route(version=2, terms=replace(TERMS, requests_per_min=1))
    await hire([answer(completion())])
    for _ in range(5):
        await running.ask(request(CHAT, ASK, key=KEY))
    caller, body = await running.connect(), json.dumps(ASK).encode() + b" " * 200_000
    world.valkey.publish(CHANGES, b"something was missed")  # All tables are read again.

    await caller.send(request(CHAT, body, key=KEY)[: -len(body)])
    told = await caller.answer()
    await caller.send(body)
    again = await running.ask(request(CHAT, ASK, key=KEY))
    await caller.send(request(CHAT, ASK, key=KEY))
    on_the_same = await caller.answer()

    assert [one.status for one in (told, again, on_the_same)] == [429, 429, 429]


async def test_of_many_dear_bodies_at_once_few_are_read_before_the_first_is_refused(
    running: Running, hire: Hire, world: World
) -> None:
    world.route(version=2, terms=replace(TERMS, requests_per_min=1))
    await hire([answer(completion())])
    for _ in range(4):
        await running.ask(request(CHAT, ASK, key=KEY))
    await asyncio.sleep(1.1)  # By then that is forgotten, and the limiter is asked again.
    calls = world.valkey.info("commandstats")["cmdstat_fcall"]["calls"]

    heard = await asyncio.gather(*(running.ask(request(CHAT, BROKEN, key=KEY)) for _ in range(8)))

    assert {one.status for one in heard} == {429}
    assert world.valkey.info("commandstats")["cmdstat_fcall"]["calls"] - calls < len(heard) / 2


async def test_dear_body_that_is_good_is_served_in_its_turn(running: Running, hire: Hire) -> None:
    worker = await hire(*[[answer(completion())] for _ in range(4)])
    asked = b'{"messages":[],"\\u006dodel":"x"' + b',"a":[' + b"[]," * 20_000 + b"1]}"

    heard = await asyncio.gather(*(running.ask(request(CHAT, asked, key=KEY)) for _ in range(4)))

    assert [one.status for one in heard] == [200] * 4
    assert [one.body for one in worker.asked] == [asked] * 4


async def longest_turn(work: asyncio.Future[int]) -> float:
    """Return the longest that the loop did not come round while something was done."""
    longest, last = 0.0, own_time()
    while not work.done():
        await asyncio.sleep(0)
        now = own_time()
        longest, last = max(longest, now - last), now
    return longest


@pytest.mark.parametrize("kind", ["whole", "upload"])
async def test_others_have_their_turns_whatever_a_body_is_made_of(
    running: Running, hire: Hire, kind: str
) -> None:
    worker = await hire([answer(completion())])
    caller = await running.connect()

    async def send() -> int:
        if kind == "whole":
            await caller.send(request(CHAT, BROKEN, key=KEY))
        else:
            await caller.send(CHUNKED + chunk(NESTED) + b"0\r\n\r\n")
        return (await caller.answer()).status

    turn_s = await longest_turn(work := asyncio.ensure_future(send()))

    assert turn_s < TURN_S
    assert await work == (400 if kind == "whole" else 200)
    assert [asked.body for asked in worker.asked] == ([] if kind == "whole" else [NESTED])
