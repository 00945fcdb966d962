"""Habits: what prompts of a project are like is learned, bounded, and nobody else's."""

from __future__ import annotations

import pytest

from inference.contracts.snapshot import Candidate
from inference.routing.habits import (
    EVICTING,
    HABITS_MAX,
    MOVING,
    RATE_MAX,
    RATE_MIN,
    TOKENS_PER_BYTE,
    Habit,
    Habits,
)
from inference.routing.known_worker import KnownWorker
from inference.routing.predictors import Prior


def test_the_first_count_of_an_engine_is_believed_and_later_ones_move_it() -> None:
    habit = Habit()
    assert habit.rate == TOKENS_PER_BYTE
    habit.learn_rate(500, 1_000)
    assert habit.rate == 0.5
    habit.learn_rate(1_000, 1_000)
    assert 0.5 < habit.rate < 0.6


@pytest.mark.parametrize(("tokens", "rate"), [(0, RATE_MIN), (1_000_000, RATE_MAX)])
def test_an_absurd_count_is_held_to_bounds(tokens: int, rate: float) -> None:
    habit = Habit()
    habit.learn_rate(tokens, 1_000)
    assert habit.rate == rate


def test_a_token_that_is_always_asked_for_again_is_dear_to_move_and_dearer_to_push_out() -> None:
    rare, often = Habit(), Habit()
    for _ in range(400):
        rare.learn_reuse(100, 1_000)
        often.learn_reuse(960, 1_000)
    assert rare.again(is_full=False) == pytest.approx(MOVING / 9, rel=0.01)
    assert often.again(is_full=False) == pytest.approx(MOVING * 19, rel=0.01)
    assert often.again(is_full=True) == pytest.approx((MOVING + EVICTING) * 19, rel=0.01)
    assert Habit().again(is_full=True) == 0.0


def test_habits_are_of_a_project_and_a_model_and_so_many_at_most() -> None:
    habits = Habits()
    habits.kept("p1", "m").learn_rate(500, 1_000)
    assert habits.of("p1", "m").rate == 0.5
    assert habits.of("p2", "m").rate == habits.of("p1", "n").rate == TOKENS_PER_BYTE
    for number in range(HABITS_MAX):
        habits.kept(f"q{number}", "m")
    assert habits.of("p1", "m").rate == TOKENS_PER_BYTE


def test_what_is_asked_for_again_makes_reading_dearer_and_nothing_else() -> None:
    candidate = Candidate(0, 0)
    candidate.new_tokens, candidate.speed_ns = 1_000, 100_000
    worker = KnownWorker(Prior(), "m", "")
    worker.price_reading(candidate, 0.0)
    assert candidate.extras_us == 0
    worker.price_reading(candidate, 2.0)
    # 100 ms of reading, twice, for somebody who counts a quarter.
    assert candidate.extras_us == 50_000
