"""What is guarded: the simulator is slow and wrong as engines are, and the same each time."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from test_link import ask, mark
from xim.sim import faults, words
from xim.sim.batch import SPEEDS, Batch, Request
from xim.sim.cache import BLOCK_TOKENS, Cache
from xim.sim.faults import Chance, Fault
from xim.sim.server import Options, Simulator
from xim.web.call import Address, Broken, call, fetch

pytestmark = pytest.mark.anyio

FAST = SPEEDS["fast"]


def request(prompt: int, output: int, name: int = 0) -> Request:
    blocks = tuple(range(name * 100_000, name * 100_000 + prompt // BLOCK_TOKENS))
    return Request(blocks, prompt, output)


def run(batch: Batch) -> list[tuple[float, Request]]:
    """Step until nothing is left; return when each token was made."""
    now, made = 0.0, []
    while (step := batch.step()) is not None:
        now += step.seconds
        made += [(now, one) for one in step.made]
    return made


def test_prompt_takes_its_time_and_then_tokens_come_one_by_one() -> None:
    batch = Batch(FAST)
    one = request(1200, 10)
    batch.arrive(one)
    made = run(batch)

    times = [now for now, _ in made]
    assert len(times) == 10
    assert times[0] == pytest.approx(FAST.base + 1200 * FAST.prompt_token, rel=0.01)
    gaps = [after - before for before, after in pairwise(times)]
    assert max(gaps) < 0.01


def test_load_makes_every_token_slower() -> None:
    alone, crowd = Batch(FAST), Batch(FAST)
    alone.arrive(request(16, 50))
    for name in range(64):
        crowd.arrive(request(16, 50, name))

    assert run(crowd)[-1][0] > 1.5 * run(alone)[-1][0]


def test_long_prompt_is_read_in_pieces_while_others_go_on() -> None:
    batch = Batch(FAST)
    talker, reader = request(16, 100, 1), request(20_000, 5, 2)
    batch.arrive(talker)
    batch.step()
    batch.arrive(reader)
    made = run(batch)

    before = [one for _, one in made[: next(i for i, (_, r) in enumerate(made) if r is reader)]]
    assert before.count(talker) >= 9


def test_prompt_that_was_read_before_is_not_read_again() -> None:
    batch = Batch(FAST)
    first, again = request(8000, 2), request(8000, 2)
    batch.arrive(first)
    slow = run(batch)[0][0]
    batch.arrive(again)
    quick = run(batch)[0][0]

    assert (first.cached, again.cached) == (0, 8000 - BLOCK_TOKENS)
    assert quick < slow / 10


def test_request_that_leaves_frees_what_it_held() -> None:
    batch = Batch(FAST)
    one = request(4000, 100)
    batch.arrive(one)
    batch.step()
    batch.step()
    assert batch.cache.use > 0
    batch.leave(one)

    assert batch.cache.use == 0
    assert batch.step() is None


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(1, 900), st.integers(1, 40), st.integers(0, 3)), max_size=30))
def test_memory_is_never_overbooked_and_everybody_is_served(
    asked: list[tuple[int, int, int]],
) -> None:
    batch = Batch(FAST.__class__(1e-3, 1e-4, 0, 1e-4, 0, kv_tokens=2000, budget=256, sequences=4))
    requests = [request(*one) for one in asked]
    for one in requests:
        batch.arrive(one)
    while batch.step() is not None:
        assert 0 <= batch.cache.use <= 1
        assert len(batch.running) <= 4

    assert all(one.is_done for one in requests)
    assert batch.cache.use == 0
    assert batch.tokens == sum(one.output for one in requests)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(1, 900), st.integers(1, 40), st.integers(0, 3)), max_size=12))
def test_steps_taken_at_once_are_those_taken_one_by_one(asked: list[tuple[int, int, int]]) -> None:
    walks, leaps = Batch(FAST, block_tokens=64), Batch(FAST, block_tokens=64)
    for batch in (walks, leaps):
        for one in asked:
            batch.arrive(request(*one))
    while (alike := leaps.alike()) or leaps.waiting or leaps.running:
        step = leaps.leap(alike) if alike else leaps.step()
        assert step is not None
        walked = [walks.step() for _ in range(max(1, alike))]
        assert step.seconds == pytest.approx(sum(one.seconds for one in walked if one))
        assert leaps.tokens == walks.tokens
        assert [one.made for one in leaps.running] == [one.made for one in walks.running]

    assert walks.step() is None


@given(st.integers(1, 30), st.integers(1, 5000), st.integers(1, 400))
def test_as_many_steps_as_fill_a_time_are_the_fewest_that_do(
    count: int, prompt: int, steps: int
) -> None:
    batch = Batch(FAST)
    for name in range(count):
        batch.arrive(request(prompt, 1000, name))
    while not batch.alike():
        batch.step()

    assert batch.steps_in(batch.seconds_of(steps)) == steps
    assert batch.steps_in(batch.seconds_of(steps) + 1e-5) == steps + 1
    assert batch.steps_in(0.0) == 1


def test_oldest_prompt_is_forgotten_when_room_is_wanted() -> None:
    cache = Cache(10 * BLOCK_TOKENS)
    for blocks in ([1, 2, 3, 4], [5, 6, 7, 8]):
        assert cache.reserve((), len(blocks) * BLOCK_TOKENS)
        cache.share(blocks)
        cache.release(blocks, 0)
    assert cache.reserve((), 4 * BLOCK_TOKENS)

    assert cache.matched([5, 6, 7, 8]) == 4
    assert cache.matched([1, 2, 3, 4]) == 0


@given(st.text(max_size=400), st.integers(1, 300))
def test_answer_has_as_many_tokens_as_it_should_and_shows_its_question(
    last: str, count: int
) -> None:
    made = list(words.answer(last, count))

    assert len(made) == count
    assert "".join(made).startswith(words.mark_of(last)[: 4 * count])


@given(st.binary(max_size=2000), st.binary(max_size=500))
def test_prompts_share_blocks_as_far_as_they_are_the_same(start: bytes, tail: bytes) -> None:
    first, second = words.blocks_of(start), words.blocks_of(start + tail)

    assert second[: len(first)] == first


@asynccontextmanager
async def simulated(**options: Any) -> AsyncIterator[Address]:
    simulator = Simulator(Options(scale=0.02, **options))
    async with simulator.serve() as port:
        yield Address("127.0.0.1", port, "/v1", is_secured=False)


async def posted(address: Address, body: bytes, path: str = "/chat/completions") -> tuple[int, Any]:
    async with asyncio.timeout(30):
        status, said = await fetch(address, f"/v1{path}", most=1 << 22, body=body)
    return status, json.loads(said)


async def streamed(address: Address, body: bytes) -> list[dict[str, Any]]:
    async with asyncio.timeout(30):
        status, said = await fetch(address, "/v1/chat/completions", most=1 << 22, body=body)
    assert status == 200
    events = [line[6:] for line in said.decode().split("\n\n") if line]
    assert events.pop() == "[DONE]"
    return [json.loads(event) for event in events]


async def test_same_seed_gives_the_same_answers_and_another_others() -> None:
    said = []
    for seed in (1, 1, 2):
        async with simulated(seed=seed) as address:
            said.append([(await posted(address, ask(f"q{n}")))[1]["usage"] for n in range(5)])

    assert said[0] == said[1] != said[2]


async def test_answer_is_limited_by_what_was_asked_for() -> None:
    async with simulated() as address:
        _, cut = await posted(address, ask("hello", max_tokens=9))
        _, exact = await posted(address, ask("hello", max_completion_tokens=33, ignore_eos=True))

    assert cut["usage"]["completion_tokens"] == 9
    assert cut["choices"][0]["finish_reason"] == "length"
    assert exact["usage"]["completion_tokens"] == 33
    assert mark("hello") in exact["choices"][0]["message"]["content"]


async def test_stream_has_the_same_words_as_the_plain_answer() -> None:
    async with simulated() as address:
        _, plain = await posted(address, ask("hello"))
        events = await streamed(
            address, ask("hello", stream=True, stream_options={"include_usage": True})
        )

    parts = [one["choices"][0]["delta"].get("content") or "" for one in events if one["choices"]]
    assert "".join(parts) == plain["choices"][0]["message"]["content"]
    assert events[-1]["usage"]["completion_tokens"] == plain["usage"]["completion_tokens"]
    assert events[-1]["choices"] == []


async def test_cached_tokens_are_reported_for_a_prompt_that_comes_again() -> None:
    body = ask("word " * 400, max_tokens=2)
    async with simulated() as address:
        seen = [(await posted(address, body))[1]["usage"] for _ in range(2)]

    cached = [one["prompt_tokens_details"]["cached_tokens"] for one in seen]
    assert cached[0] == 0
    assert seen[0]["prompt_tokens"] - BLOCK_TOKENS * 2 <= cached[1] < seen[0]["prompt_tokens"]


async def test_embeddings_differ_by_text_and_not_by_time() -> None:
    body = json.dumps({"model": "sim", "input": ["a", "b", "a"]}).encode()
    async with simulated() as address:
        _, said = await posted(address, body, "/embeddings")

    first, second, third = (row["embedding"] for row in said["data"])
    assert first == third != second


async def test_prompt_beyond_the_context_is_refused() -> None:
    async with simulated(context=100) as address:
        status, said = await posted(address, ask("x" * 1000))

    assert status == 400
    assert said["error"]["code"] == "context_length_exceeded"


async def test_unknown_model_and_broken_body_are_refused() -> None:
    async with simulated() as address:
        assert (await posted(address, ask("x", model="other")))[0] == 404
        assert (await posted(address, b"{"))[0] == 400
        assert (await posted(address, b"{}", "/nothing"))[0] == 404


async def test_vllm_reports_usage_twice_and_the_last_counts() -> None:
    async with simulated(quirks="vllm") as address:
        events = await streamed(
            address, ask("x", stream=True, stream_options={"include_usage": True})
        )

    reports = [one["usage"] for one in events if one.get("usage")]
    assert len(reports) == 2
    assert reports[-1]["prompt_tokens_details"] is None


async def test_sglang_refuses_a_streamed_prompt_inside_a_200() -> None:
    async with simulated(quirks="sglang", context=100) as address:
        events = await streamed(address, ask("x" * 1000, stream=True))

    assert events[0]["error"]["code"] == 400


async def test_llamacpp_computes_on_for_a_caller_of_a_plain_answer_who_left() -> None:
    simulator = Simulator(Options(scale=0.2, quirks="llamacpp"))
    async with simulator.serve() as port:
        address = Address("127.0.0.1", port, "/v1", is_secured=False)
        stays = {how: await left_behind(address, simulator, how == "plain") for how in HOWS}

    assert stays == {"streamed": False, "plain": True}


HOWS = ("streamed", "plain")


async def left_behind(address: Address, simulator: Simulator, is_plain: bool) -> bool:
    """Ask, leave, and say whether it computes on."""
    batch = simulator.clockwork.batch
    body = ask("x", max_tokens=20_000, ignore_eos=True, stream=not is_plain)
    lines = [(b"host", b"x"), (b"content-length", str(len(body)).encode())]
    before = len(batch.running)
    async with call(address) as asked, asyncio.timeout(30):
        asked.start("POST", "/v1/chat/completions", lines)
        await asked.send(body)
        asked.finish()
        while len(batch.running) == before:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    try:
        # Either it is gone in a while, or it is still there after a moment.
        async with asyncio.timeout(0.3 if is_plain else 30):
            while len(batch.running) > before:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    except TimeoutError:
        return True
    return False


async def test_llamacpp_words_its_errors_and_its_timings() -> None:
    async with simulated(quirks="llamacpp", context=100) as address:
        _, refused = await posted(address, ask("x" * 1000, model="anything"))
        _, said = await posted(address, ask("x", model="anything", max_tokens=3))

    assert refused["error"]["type"] == "exceed_context_size_error"
    assert refused["error"]["code"] == 400
    assert said["timings"]["predicted_n"] == 3


async def test_ollama_queues_so_many_and_then_is_busy() -> None:
    simulator = Simulator(Options(scale=0.02, quirks="ollama"))
    for name in range(513):
        simulator.clockwork.batch.arrive(request(16, 10_000, name))
    async with simulator.serve() as port:
        address = Address("127.0.0.1", port, "/v1", is_secured=False)
        while len(simulator.clockwork.batch.waiting) < 512:
            simulator.clockwork.batch.arrive(request(16, 10, 999))
        status, _ = await posted(address, ask("x"))

    assert status == 503


@pytest.mark.parametrize("model", ["sim-refuse", "sim-break", "sim-wrong-length"])
async def test_fault_in_a_models_name_is_met(model: str) -> None:
    async with simulated(models=("sim",)) as address:
        with pytest.raises(Broken):
            await posted(address, ask("x", model=model))
        assert (await posted(address, ask("x")))[0] == 200


async def test_drip_is_slow_and_whole() -> None:
    async with simulated(models=("sim",)) as address:
        _, said = await posted(address, ask("x", model="sim-drip", max_tokens=2))

    assert said["usage"]["completion_tokens"] == 2


def test_fault_meets_its_share_of_requests() -> None:
    dice = random.Random(1)
    chances = (Chance.read("hang:0.25"),)
    met = [faults.drawn(chances, dice) for _ in range(2000)]

    assert 0.2 < met.count(Fault.HANG) / 2000 < 0.3


@pytest.mark.parametrize("text", ["", "hang:2", "hang:x", "explode"])
def test_fault_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="fault"):
        Chance.read(text)
