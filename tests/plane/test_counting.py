"""Who counted a stream's tokens: the engine, we, or nobody. Over both edges, with its price."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from inference.body.tokens import estimate_tokens
from tests.plane.caller import request
from tests.plane.conftest import Hire, Running, until
from tests.plane.workers import (
    BREAK,
    DONE,
    SSE_HEAD,
    Script,
    answer,
    chunk,
    delta,
    stream,
    usage_event,
)
from tests.plane.world import ASK, CHAT, KEY, STREAM, TERMS, World

pytestmark = pytest.mark.anyio

ASKED = {**STREAM, "stream_options": {"include_usage": True}}
WORDS = [delta("Pa"), delta("ris")]
ON_A_WORD = usage_event(5, 2).replace(b'"choices": []', b'"choices": [{"delta": {"content": "x"}}]')
CLAIMED = WORDS[0].replace(b"}]}", b'}], "usage": {"prompt_tokens": 5, "completion_tokens": 1}}')
PROMPT = estimate_tokens(len(json.dumps(STREAM["messages"])))


async def hears_all(running: Running, body: dict[str, Any]) -> bytes:
    return (await running.ask(request(CHAT, body, key=KEY))).body


async def leaves_after_two_words(running: Running, body: dict[str, Any]) -> bytes:
    caller = await running.connect()
    await caller.send(request(CHAT, body, key=KEY))
    heard = await caller.head()
    while len(b"".join(heard.pieces)) < len(b"".join(WORDS)):
        heard.pieces.append(await caller.piece(heard) or b"")
    caller.reset()
    return b"".join(heard.pieces)


Caller = Callable[[Running, dict[str, Any]], Awaitable[bytes]]
BEGUN = [SSE_HEAD, *map(chunk, WORDS)]

MEASURED = [
    pytest.param(STREAM, stream(*WORDS, usage_event(11, 3), DONE), (11, 3), id="not asked for"),
    pytest.param(ASKED, stream(*WORDS, usage_event(11, 3), DONE), (11, 3), id="asked for"),
    pytest.param(STREAM, stream(*WORDS, ON_A_WORD, DONE), (5, 2), id="on the last word"),
    pytest.param(
        STREAM, stream(ON_A_WORD, usage_event(11, 3), DONE), (11, 3), id="twice: the last counts"
    ),
    pytest.param(
        STREAM,
        [
            SSE_HEAD,
            chunk(usage_event(11, 3)[:9]),
            chunk(usage_event(11, 3)[9:] + DONE),
            b"0\r\n\r\n",
        ],
        (11, 3),
        id="torn by the framing",
    ),
]
ESTIMATED = [
    pytest.param(hears_all, stream(*WORDS, DONE), "complete", id="an engine that counts nothing"),
    pytest.param(hears_all, stream(CLAIMED, WORDS[1], DONE), "complete", id="words after a claim"),
    pytest.param(hears_all, [*BEGUN, BREAK], "worker_broke", id="the worker died"),
    pytest.param(leaves_after_two_words, [*BEGUN, ...], "caller_left", id="the caller left"),
]
REFUSAL = answer(b'{"error": {"message": "too long"}}', 400)
ABSENT = [
    pytest.param([BREAK], "worker_broke", id="the worker died before a byte"),
    pytest.param([REFUSAL], "refused", id="the worker refused"),
]


@pytest.fixture
def priced(world: World) -> World:
    """Let a token cost a micro-unit, so that tokens and cost are one figure."""
    world.route(version=2, terms=replace(TERMS, price_per_million=1_000_000))
    world.top_up(10**9)
    return world


async def told(world: World) -> dict[str, Any]:
    await until(world.events)
    [event] = world.events()
    counted = event["tokens_in"], event["tokens_out"]
    assert event["cost"] == sum(counted)
    return {"source": event["source"], "counted": counted, "ending": event["ending"]}


@pytest.mark.parametrize(("body", "script", "counted"), MEASURED)
async def test_what_the_engine_counted_is_measured(
    running: Running,
    hire: Hire,
    priced: World,
    body: dict[str, Any],
    script: Script,
    counted: tuple[int, int],
) -> None:
    worker = await hire(script)

    heard = await hears_all(running, body)

    assert await told(priced) == {"source": "measured", "counted": counted, "ending": "complete"}
    assert json.loads(worker.asked[0].body)["stream_options"] == {"include_usage": True}
    # Whoever did not ask for the event of its own does not get it.
    assert (usage_event(11, 3) in heard) == (body is ASKED)


@pytest.mark.parametrize(("caller", "script", "ending"), ESTIMATED)
async def test_what_was_given_uncounted_is_estimated(
    running: Running, hire: Hire, priced: World, caller: Caller, script: Script, ending: str
) -> None:
    await hire(script)

    heard = await caller(running, STREAM)

    said = heard.replace(CLAIMED, WORDS[0])
    assert said.startswith(b"".join(WORDS))
    assert await told(priced) == {
        "source": "estimated",
        "counted": (PROMPT, len(WORDS)),
        "ending": ending,
    }


@pytest.mark.parametrize(("script", "ending"), ABSENT)
async def test_what_never_gave_a_word_is_absent_and_costs_nothing(
    running: Running, hire: Hire, priced: World, script: Script, ending: str
) -> None:
    await hire(script)

    await hears_all(running, STREAM)

    assert await told(priced) == {"source": "absent", "counted": (0, 0), "ending": ending}


@pytest.mark.parametrize("price", [0, 1_000_000])
async def test_absurd_request_breaks_nobody_elses(
    running: Running, hire: Hire, world: World, price: int
) -> None:
    world.route(version=2, terms=replace(TERMS, price_per_million=price, monthly_tokens=10**5))
    world.top_up(1_000_000)
    await hire(stream(*WORDS, DONE))
    link, ups = running.gateway.link, []
    link.on_up.append(lambda: ups.append(True))

    said = await running.ask(request(CHAT, {**STREAM, "n": 10**17}, key=KEY))
    usual = await running.ask(request(CHAT, STREAM, key=KEY))

    assert (said.status, usual.status) == (400, 200)
    assert ups == []


async def test_absurd_usage_is_not_believed(running: Running, hire: Hire, world: World) -> None:
    link, ups = running.gateway.link, []
    link.on_up.append(lambda: ups.append(True))
    body = b'{"usage":{"prompt_tokens":%d,"completion_tokens":3}}' % 10**30
    await hire([answer(body)], stream(*WORDS, usage_event(10**30, 10**20), DONE))

    await running.ask(request(CHAT, ASK, key=KEY))
    await running.ask(request(CHAT, STREAM, key=KEY))

    await until(lambda: len(world.events()) == 2)
    assert [event["source"] for event in world.events()] == ["estimated", "estimated"]
    assert ups == []
