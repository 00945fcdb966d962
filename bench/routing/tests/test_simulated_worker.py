"""What is guarded: a machine that jumps over time does what one that steps through it does."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.routing.requests import BLOCK_TOKENS
from bench.routing.worker import Machine, Worker
from xim.sim.batch import SPEEDS, Batch, Request, Speed

FAST = SPEEDS["fast"]
PLAIN = Speed(0.010, 0.001, 0.0, 0.0001, 0.0, kv_tokens=1_000_000, budget=1000, sequences=8)
"""A step takes 10 ms, 1 ms for each sequence that makes a token, 0.1 ms for each token read."""

Arrivals = list[tuple[float, Request]]


def played(speed: Speed, arrivals: Arrivals) -> dict[Request, tuple[float, float]]:
    """Drive a worker event by event; return when each request's first and last token came."""
    worker = Worker(Machine(speed))
    firsts: dict[Request, float] = {}
    found: dict[Request, tuple[float, float]] = {}
    waiting = sorted(arrivals, key=lambda one: one[0])
    while waiting or worker.due < inf:
        if waiting and waiting[0][0] <= worker.due:
            at, request = waiting.pop(0)
            worker.arrive(request, at)
            continue
        now = worker.due
        begun, ended = worker.finish(now)
        firsts |= dict.fromkeys(begun, now)
        found |= {one: (firsts[one], now) for one in ended}
    return found


def stepped(speed: Speed, arrivals: Arrivals) -> dict[Request, tuple[float, float]]:
    """Do the same step by step, as xim's clock does."""
    batch, now = Batch(speed, block_tokens=BLOCK_TOKENS), 0.0
    firsts: dict[Request, float] = {}
    found: dict[Request, tuple[float, float]] = {}
    waiting = sorted(arrivals, key=lambda one: one[0])
    while True:
        while waiting and waiting[0][0] <= now:
            batch.arrive(waiting.pop(0)[1])
        step = batch.step()
        if step is None:
            if not waiting:
                return found
            now = waiting[0][0]
            continue
        now += step.seconds
        firsts |= {one: now for one in step.made if one.made == 1}
        found |= {one: (firsts[one], now) for one in step.made if one.is_done}


def test_one_request_takes_what_is_computed_by_hand() -> None:
    request = Request((), 1500, 4)
    ((first, last),) = played(PLAIN, [(1.0, request)]).values()

    # Two chunks of 1,000 and 500; then three tokens, each 10 ms and 1 ms for one sequence.
    assert first == pytest.approx(1.0 + 0.010 + 0.100 + 0.010 + 0.050)
    assert last == pytest.approx(first + 3 * 0.011)


def test_who_comes_in_the_middle_of_a_step_joins_when_it_has_ended() -> None:
    talker, late = Request((), 10, 100), Request((), 10, 1)
    found = played(PLAIN, [(0.0, talker), (0.0155, late)])

    # 11 ms until the first token, steps of 11 ms after it: the one under way ends at 22 ms.
    assert found[late][0] == pytest.approx(0.022 + 0.011 + 0.001)
    assert found[talker][1] == pytest.approx(0.022 + 0.012 + 97 * 0.011)


def test_what_a_machine_has_read_is_not_read_again() -> None:
    blocks = (1, 2, 3)
    first, again = Request(blocks, 4 * BLOCK_TOKENS, 1), Request(blocks, 4 * BLOCK_TOKENS, 1)
    found = played(replace(PLAIN, budget=4096), [(0.0, first), (10.0, again)])

    assert again.cached == 3 * BLOCK_TOKENS
    assert found[again][0] - 10.0 == pytest.approx(0.010 + BLOCK_TOKENS * 0.0001)


def test_a_machine_that_hangs_ends_its_step_and_goes_on_when_it_is_healed() -> None:
    worker, request = Worker(Machine(PLAIN)), Request((), 10, 3)
    worker.arrive(request, 0.0)
    worker.change(inf, 0.005)
    assert worker.finish(worker.due) == ([request], [])
    assert worker.due == inf

    worker.change(1.0, 100.0)
    assert worker.finish(worker.due) == ([], [request])
    assert request.made == 3


def test_a_machine_that_turns_slow_takes_its_time_from_the_next_step_on() -> None:
    worker, request = Worker(Machine(PLAIN)), Request((), 10, 101)
    worker.arrive(request, 0.0)
    worker.finish(worker.due)
    worker.change(10.0, 0.011 + 0.011 * 40.5)
    worker.finish(worker.due)
    assert request.made == 42

    now = worker.due
    assert worker.finish(now) == ([], [request])
    assert now == pytest.approx(0.011 * 42 + 59 * 0.110)


LIVES = st.lists(
    st.tuples(st.floats(0, 8), st.integers(1, 9000), st.integers(1, 300), st.integers(0, 2)),
    min_size=1,
    max_size=14,
)


@settings(max_examples=60, deadline=None)
@given(LIVES, st.sampled_from([FAST, PLAIN, replace(FAST, kv_tokens=20_000, sequences=3)]))
def test_jumps_end_where_steps_end(lives: list[tuple[float, int, int, int]], speed: Speed) -> None:
    def arrivals() -> Arrivals:
        # Moments that no step ends at: else who joins which step hangs on the last bit.
        return [
            (at + 1e-5 * (place + 1), request(prompt, output, name))
            for place, (at, prompt, output, name) in enumerate(lives)
        ]

    jumped, walked = played(speed, arrivals()), stepped(speed, arrivals())

    times = sorted(jumped.values())
    assert len(times) == len(lives)
    assert [pytest.approx(one, abs=1e-6) for one in times] == sorted(walked.values())


def request(prompt: int, output: int, name: int) -> Request:
    start = name * 1000
    return Request(tuple(range(start, start + prompt // BLOCK_TOKENS)), prompt, output)
