"""Streams that are silent, break, or have to be taken over."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from inference.exchange.config import PlaneConfig
from inference.routing.breaker import BreakerConfig
from tests.plane.caller import request
from tests.plane.conftest import Hire, Running, serve, until
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
from tests.plane.world import ASK, CHAT, KEY, STREAM, TERMS, World

pytestmark = pytest.mark.anyio

BEGUN = SSE_HEAD + chunk(delta("Pa"))
DOUBT_S = BreakerConfig().doubt_s


@pytest.mark.parametrize(
    ("script", "code", "ending"),
    [
        pytest.param([BEGUN, BREAK], "upstream_disconnected", "worker_broke", id="resets"),
        pytest.param(
            [BEGUN, chunk(b'data: {"cho'), BREAK],
            "upstream_disconnected",
            "worker_broke",
            id="resets inside an event",
        ),
        pytest.param(
            [BEGUN, SSE_END], "upstream_disconnected", "worker_broke", id="ends without DONE"
        ),
        pytest.param([BEGUN, ...], "upstream_timeout", "timeout", id="falls silent"),
    ],
)
async def test_broken_stream_ends_with_an_error_and_no_done(
    running: Running, hire: Hire, world: World, script: Script, code: str, ending: str
) -> None:
    world.route(version=2, terms=replace(TERMS, idle_timeout_s=0.2))
    await hire(script)

    heard = await running.ask(request(CHAT, STREAM, key=KEY))

    events = heard.body.decode().split("\n\n")
    assert events[0] + "\n\n" == delta("Pa").decode()
    error = json.loads(events[-2].removeprefix("data: "))["error"]
    assert (error["type"], error["code"]) == ("stream_error", code)
    assert b"[DONE]" not in heard.body
    assert heard.complete
    await until(world.events)
    [event] = world.events()
    assert (event["ending"], event["source"], event["tokens_out"]) == (ending, "estimated", 1)


async def test_plain_answer_that_breaks_early_is_an_ordinary_error(
    running: Running, hire: Hire
) -> None:
    await hire([answer(completion())[:-5], BREAK])

    heard = await running.ask(request(CHAT, ASK, key=KEY))

    assert (heard.status, heard.error["code"]) == (502, "upstream_error")


async def test_plain_answer_that_breaks_late_is_cut_off(running: Running, hire: Hire) -> None:
    said = answer(b"x" * 2_000_000)
    await hire([said[:1_000_000], 0.05, said[1_000_000:1_900_000], BREAK])

    heard = await running.ask(request(CHAT, ASK, key=KEY))

    assert (heard.status, heard.complete) == (200, False)


async def test_another_worker_takes_over_before_the_first_byte(
    running: Running, hire: Hire
) -> None:
    broken = await hire([BREAK])
    sound = await hire([answer(completion())])
    said: list[int] = []
    while not broken.asked and len(said) < 100:  # Who is asked first is drawn.
        said.append((await running.ask(request(CHAT, ASK, key=KEY))).status)

    assert set(said) == {200}
    assert (len(broken.asked), len(sound.asked)) == (1, len(said))


async def test_at_most_two_others_are_tried(running: Running, hire: Hire) -> None:
    workers = [await hire([BREAK]) for _ in range(5)]

    heard = await running.ask(request(CHAT, ASK, key=KEY))

    assert (heard.status, heard.error["code"]) == (502, "upstream_error")
    assert sum(len(worker.asked) for worker in workers) == 3


async def test_usage_says_of_the_last_attempt_why_its_worker_was_chosen(
    running: Running, hire: Hire, world: World
) -> None:
    for _ in range(5):
        await hire([BREAK])

    await running.ask(request(CHAT, ASK, key=KEY))

    await until(world.events)
    [event] = world.events()
    assert event["decision"] == {
        "tried": 2,
        "candidates": 3,
        "in_flight": 0,
        "fallback": 0,
        "hops": 0,
        "predicted_ms": 52,  # 50 ms, and 150 µs a token: nothing is known yet.
        "hit_tokens": 0,
        "target": 0,
    }


async def test_worker_that_keeps_failing_is_passed_over(running: Running, hire: Hire) -> None:
    broken = await hire([BREAK])
    await hire([answer(completion())])
    # The clock moves when we say so: how long sixty requests take is the machine's affair.
    now = running.gateway.plane.now()
    running.gateway.health._now = lambda: now
    asked: list[int] = []

    for _ in range(3):
        said = [(await running.ask(request(CHAT, ASK, key=KEY))).status for _ in range(60)]
        assert said == [200] * 60
        asked.append(len(broken.asked))
        now += DOUBT_S

    # Five in a row and no more; it is tried again, and less often once it is known to fail.
    rounds = [asked[0], asked[1] - asked[0], asked[2] - asked[1]]
    assert max(rounds) <= 5
    assert asked[0] < asked[2]


async def test_workers_refusal_of_the_request_is_not_tried_elsewhere(
    running: Running, hire: Hire
) -> None:
    workers = [await hire([answer(b"{}", 400)]) for _ in range(3)]

    heard = await running.ask(request(CHAT, ASK, key=KEY))

    assert heard.status == 400
    assert sum(len(worker.asked) for worker in workers) == 1


async def test_silence_is_filled_between_events(
    config: PlaneConfig, world: World, hire: Hire
) -> None:
    waits = replace(config.waits, silence_s=0.1)
    await hire([SSE_HEAD + chunk(delta("Pa")), 0.5, chunk(delta("ris")), chunk(DONE), SSE_END])

    async with serve(replace(config, waits=waits)) as running:
        heard = await running.ask(request(CHAT, STREAM, key=KEY))

    filled = heard.body.count(b": keep-alive\n\n")
    assert 2 <= filled <= 4
    assert heard.body.replace(b": keep-alive\n\n", b"") == delta("Pa") + delta("ris") + DONE


async def test_stream_is_relayed_as_it_comes(running: Running, hire: Hire) -> None:
    await hire([SSE_HEAD, chunk(delta("Pa")), ...])
    caller = await running.connect()
    await caller.send(request(CHAT, STREAM, key=KEY))

    heard = await caller.head()

    assert await caller.piece(heard) == delta("Pa")


async def test_limit_above_the_context_is_lowered_and_announced(
    running: Running, hire: Hire, world: World
) -> None:
    world.route(version=2, context_length=100)
    worker = await hire([answer(completion())])

    heard = await running.ask(request(CHAT, {**ASK, "max_tokens": 1000}, key=KEY))

    sent = json.loads(worker.asked[0].body)
    assert 50 < sent["max_tokens"] < 100
    assert heard.header("x-xerotier-clamped") == f"max_tokens={sent['max_tokens']}"


async def test_defaults_of_the_model_fill_in_what_the_caller_left_open(
    running: Running, hire: Hire, world: World
) -> None:
    world.route(version=2, defaults={"temperature": 0, "top_p": 0.5})
    worker = await hire([answer(completion())])

    await running.ask(request(CHAT, {**ASK, "top_p": 0.9}, key=KEY))

    sent = json.loads(worker.asked[0].body)
    assert (sent["temperature"], sent["top_p"]) == (0, 0.9)


async def test_usage_on_an_odd_event_is_measured(
    running: Running, hire: Hire, world: World
) -> None:
    last = usage_event(5, 1).replace(b'"choices": []', b'"choices": [{"delta": {"content": "x"}}]')
    await hire(stream(delta("y"), last, DONE))

    heard = await running.ask(request(CHAT, STREAM, key=KEY))

    assert heard.body == delta("y") + last + DONE
    await until(world.events)
    assert (world.events()[0]["source"], world.events()[0]["tokens_in"]) == ("measured", 5)
