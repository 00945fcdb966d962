"""What an engine says is a claim, bounded by what we saw. Over both edges, with its price."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from inference.body.tokens import estimate_tokens
from inference.contracts.names import shard_tag
from tests.plane.caller import request
from tests.plane.conftest import Hire, Running, until
from tests.plane.said import (
    CONTEXT,
    FAT,
    PROMPT,
    ROLE,
    STOP,
    ZERO,
    Json,
    event,
    hears,
    last,
    told,
    usage,
    whole,
    word,
)
from tests.plane.workers import BREAK, DONE, SSE_END, SSE_HEAD, Script, answer, chunk, stream
from tests.plane.world import ASK, CHAT, KEY, PROJECT, STREAM, World

pytestmark = pytest.mark.anyio

COMPLETIONS = f"/{PROJECT}/chat/v1/completions"

STREAMS = [
    pytest.param(
        [word("a", usage=usage(10, 1)), *[word()] * 60, BREAK],
        ("estimated", PROMPT, 61, "worker_broke"),
        id="A1: words after a claim",
    ),
    pytest.param(
        [word("a", usage=ZERO), word("b", usage=ZERO), DONE],
        ("estimated", PROMPT, 2, "complete"),
        id="A2: zero for words",
    ),
    pytest.param(
        [word(), last({"prompt_tokens": 10, "total_tokens": 81}), DONE],
        ("measured", 10, 71, "complete"),
        id="A3: the total knows it",
    ),
    pytest.param(
        [word(), last(usage(21, 0, total_tokens=81)), DONE],
        ("measured", 21, 60, "complete"),
        id="A3: thoughts that were not counted",
    ),
    pytest.param(
        [word(FAT), STOP, DONE], ("estimated", PROMPT, 1200, "complete"), id="A6: a fat delta"
    ),
    pytest.param(
        [ROLE, word(""), word("Pa"), word(""), STOP, DONE],
        ("estimated", PROMPT, 1, "complete"),
        id="K4: empty deltas cost nothing",
    ),
    pytest.param(
        [word(), last(usage(10, 20)), last(usage(10, 5)), DONE],
        ("measured", 10, 20, "complete"),
        id="a smaller count takes nothing back",
    ),
    pytest.param(
        [word(), STOP, last(usage(10, 5)), SSE_END],
        ("measured", 10, 5, "complete"),
        id="o1: every choice has ended, and the stream in good order",
    ),
    pytest.param(
        [word("w " * 20, key="thinking"), STOP, DONE],
        ("estimated", PROMPT, 10, "complete"),
        id="thoughts under another name",
    ),
]


@pytest.mark.parametrize(("events", "wanted"), STREAMS)
async def test_stream_is_charged_by_what_can_be_so(
    running: Running, hire: Hire, sold: World, events: Script, wanted: tuple[object, ...]
) -> None:
    steps = [step if step in (BREAK, SSE_END) else chunk(step) for step in events]  # type: ignore[arg-type]
    await hire([SSE_HEAD, *steps, *([] if steps[-1] in (BREAK, SSE_END) else [SSE_END])])

    heard = await hears(running, STREAM)

    assert await told(sold) == wanted
    assert (b"stream_error" in heard.body) == (wanted[3] != "complete")


PLAIN = [
    pytest.param(whole("w " * 250, ZERO), "estimated", None, id="A2: zero for words"),
    pytest.param(
        whole("hi", {"prompt_tokens": 10, "completion_tokens": None, "total_tokens": 81}),
        "measured",
        (10, 71),
        id="A3: the total knows it",
    ),
    pytest.param(
        whole("w " * 15_000, usage(10, 5)), "measured", (10, 5), id="A10: usage behind the bulk"
    ),
    pytest.param(
        json.dumps({"usage": usage(10, 5), **json.loads(whole("w " * 15_000))}).encode(),
        "measured",
        (10, 5),
        id="A10: usage before the bulk",
    ),
    pytest.param(
        json.dumps({"usage": usage(10, 5), **json.loads(whole("w " * 800_000))}).encode(),
        "measured",
        (10, 5),
        id="A10: usage before more than is kept",
    ),
    pytest.param(
        whole("hi", usage(10, 4, prompt_cache_hit_tokens=0)), "measured", (10, 4), id="o6: none hit"
    ),
]


@pytest.mark.parametrize("pieces", [1, 3])
@pytest.mark.parametrize(("body", "source", "counted"), PLAIN)
async def test_plain_answer_is_charged_by_what_can_be_so(
    running: Running, hire: Hire, sold: World, body: bytes, source: str,
    counted: tuple[int, int] | None, pieces: int,
) -> None:  # fmt: skip
    said = answer(body)
    cut = len(said) - len(body) + len(body) // 2
    await hire(
        [said] if pieces == 1 else [said[: cut // 2], 0.02, said[cut // 2 : cut], 0.02, said[cut:]]
    )

    heard = await hears(running, ASK)

    assert heard.body == body
    wanted = counted or (PROMPT, estimate_tokens(len(body)))
    assert await told(sold) == (source, *wanted, "complete")


async def test_cached_tokens_are_read_in_every_dialect(
    running: Running, hire: Hire, world: World
) -> None:
    dialects: list[Json] = [{"prompt_cache_hit_tokens": 8}, {"cached_tokens": 8},
                {"prompt_tokens_details": {"cached_tokens": 8}}]  # fmt: skip
    await hire(*[[answer(whole("hi", usage(10, 4, **dialect)))] for dialect in dialects])

    for _ in dialects:
        await hears(running, ASK)

    await until(lambda: len(world.events()) == 3)
    assert [said["tokens_cached"] for said in world.events()] == [8, 8, 8]


@pytest.mark.parametrize("choices", [None, [], "missing"])
async def test_usage_that_nobody_asked_for_never_shows(
    running: Running, hire: Hire, choices: object
) -> None:
    block: Json = {"id": "c1", "choices": choices, "usage": usage(10, 5)}
    if choices == "missing":
        del block["choices"]
    await hire(stream(word(), event(block), DONE))

    heard = await hears(running, STREAM)

    assert heard.body == word() + DONE


async def test_what_stands_beside_our_usage_passes(running: Running, hire: Hire) -> None:
    await hire(stream(word(), last(usage(10, 5), timings={"predicted_ms": 1.50}), DONE))

    heard = await hears(running, STREAM)

    [rest] = [line for line in heard.body.split(b"\n\n") if b"timings" in line]
    left = json.loads(rest.removeprefix(b"data: "))
    assert (left["id"], left["timings"], "usage" in left) == ("c1", {"predicted_ms": 1.5}, False)
    assert left["choices"][0]["delta"] == {}


MANY = json.dumps({"choices": [{"index": i, "text": "one two three four"} for i in range(24)],
                   "usage": usage(10, 8)}).encode()  # fmt: skip


async def test_one_answer_of_many_does_not_make_the_others_free(
    running: Running, hire: Hire, sold: World
) -> None:
    await hire([answer(MANY)])
    body = {"model": "m", "max_tokens": 8, "prompt": [f"Question {i}: a city?" for i in range(24)]}

    await hears(running, body, COMPLETIONS)

    source, tokens_in, tokens_out, _ = await told(sold)
    assert source == "estimated"
    assert tokens_in >= 24
    assert 24 * 4 < tokens_out <= 24 * 8


async def test_pieces_of_all_choices_of_a_stream_count(
    running: Running, hire: Hire, sold: World
) -> None:
    def of(index: int) -> bytes:
        return event({"choices": [{"index": index, "delta": {"content": "x"}}]})

    await hire(stream(*[of(at % 3) for at in range(18)], last(usage(10, 6)), DONE))

    await hears(running, {**STREAM, "n": 3})

    assert await told(sold) == ("estimated", PROMPT, 18, "complete")


@pytest.mark.parametrize(
    ("limit", "claim", "charged"),
    [
        pytest.param(4, usage(10, 10**12), (PROMPT, 4), id="the caller's limit"),
        pytest.param(None, usage(10, 10**12), (PROMPT, CONTEXT - 10), id="the model's room"),
        pytest.param(None, usage(10**12, 3), (CONTEXT, 1), id="a prompt that fits no model"),
    ],
)
async def test_claim_beyond_what_can_be_is_billed_as_the_bound_and_shown(
    running: Running, hire: Hire, sold: World, limit: int | None, claim: Json,
    charged: tuple[int, int],
) -> None:  # fmt: skip
    await hire(stream(word(), last(claim), DONE))

    await hears(running, {**STREAM, **({"max_tokens": limit} if limit else {})})

    assert await told(sold) == ("estimated", *charged, "complete")
    counts: dict[str, int] = running.gateway.figures.of_all()[-1]["worker_errors"]
    assert counts == {f"wrk_0\t{PROJECT}\timplausible_usage": 1}


async def leaves(running: Running, after: bytes) -> None:
    caller = await running.connect()
    await caller.send(request(CHAT, STREAM, key=KEY))
    heard = await caller.head()
    while len(b"".join(heard.pieces)) < len(after):
        heard.pieces.append(await caller.piece(heard) or b"")
    caller.reset()


async def test_leaving_after_three_fat_pieces_costs_what_they_are(
    running: Running, hire: Hire, sold: World
) -> None:
    fat = word("four words or so " * 100)
    await hire([SSE_HEAD, *[chunk(fat)] * 3, ...])

    await leaves(running, fat * 3)

    assert await told(sold) == ("estimated", PROMPT, 1275, "caller_left")


EVERY_KIND: list[Callable[[int], bytes]] = [
    lambda at: word("lorem ipsum dolor sit amet " * 60),
    lambda at: word("x", usage=usage(14, 400 * (at + 1))),
    lambda at: word("lorem ipsum", key="thinking") * 40,
    lambda at: event({"choices": [{"index": i, "delta": {"content": "x"}} for i in range(60)]}),
]


@pytest.mark.parametrize("kind", EVERY_KIND)
async def test_budget_ends_a_stream_of_any_kind_within_a_slice(
    running: Running, hire: Hire, sold: World, kind: Callable[[int], bytes]
) -> None:
    await hire([SSE_HEAD, *[step for at in range(200) for step in (chunk(kind(at)), 0.005)],
                chunk(last(usage(14, 80_000))), chunk(DONE), SSE_END])  # fmt: skip
    tag = shard_tag(PROJECT)
    sold.valkey.fcall("xt1_budget", 1, tag, f"p:{PROJECT}", "1000", "1")

    heard = await hears(running, STREAM)

    assert b"budget_exceeded" in heard.body
    _, tokens_in, tokens_out, ending = await told(sold)
    assert ending == "refused"
    assert 500 < tokens_in + tokens_out <= 1000 + 256
