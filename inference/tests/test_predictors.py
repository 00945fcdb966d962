"""Predictors: they learn how fast a worker is, notice changes, and know how sure they are."""

from __future__ import annotations

import math
from random import Random

import pytest

from inference.routing.predictors import BetweenTokens, FirstToken, Prior, median_of

BASE_S, SPEED_S = 0.03, 1 / 12_000


def taught(
    count: int, *, times: float = 1.0, seed: int = 1, first: FirstToken | None = None
) -> tuple[FirstToken, float]:
    """Return a predictor after so many answers, one a second, with a spread of 10 %."""
    dice = Random(seed)
    first = first or FirstToken(Prior())
    now_s = 0.0
    for _ in range(count):
        now_s += 1.0
        tokens = dice.choice((100, 800, 4_000, 20_000))
        first.learn(tokens, actual(tokens, dice) * times, now_s)
    return first, now_s


def actual(tokens: int, dice: Random) -> float:
    """Return what a worker takes for so many tokens."""
    return (BASE_S + SPEED_S * tokens) * math.exp(dice.gauss(0, 0.1))


def test_the_line_of_a_worker_is_found_from_its_answers() -> None:
    first, _ = taught(100)
    assert first.speed_s == pytest.approx(SPEED_S, rel=0.1)
    assert first.line_s(4_000) == pytest.approx(BASE_S + 4_000 * SPEED_S, rel=0.1)


def test_a_worker_that_turns_slow_is_noticed_within_twenty_answers() -> None:
    first, now_s = taught(100)
    assert first.factor(now_s) == pytest.approx(1.0, abs=0.15)
    for number in range(20):
        first.learn(800, (BASE_S + 800 * SPEED_S) * 10, now_s + number)
    assert first.factor(now_s + 20) > 4.0


def test_what_was_slow_is_believed_in_again_while_nothing_is_heard() -> None:
    first, now_s = taught(100)
    first.overdue(800, 5.0, now_s)
    slow = math.log(first.factor(now_s))
    assert math.log(first.factor(now_s + 20)) == pytest.approx(slow / 2)
    assert first.factor(now_s + 200) == pytest.approx(1.0, abs=0.01)


def test_an_overdue_answer_never_makes_a_worker_look_quicker() -> None:
    first, now_s = taught(100)
    first.overdue(20_000, 30.0, now_s)
    slow = first.factor(now_s)
    first.overdue(20_000, 0.5, now_s)
    assert first.factor(now_s) == slow


@pytest.mark.parametrize("seed", range(4))
def test_nine_of_ten_answers_keep_the_ninetieth_percentile(seed: int) -> None:
    first, now_s = taught(200, seed=seed)
    dice = Random(seed + 100)
    kept = 0
    for number in range(500):
        tokens = dice.choice((100, 800, 4_000, 20_000))
        at_s = now_s + number
        expected = first.line_s(tokens) * first.factor(at_s)
        took = actual(tokens, dice)
        kept += took <= expected * first.quantiles.p90(expected)
        first.learn(tokens, took, at_s)
    assert 0.85 <= kept / 500 <= 0.95


def test_one_answer_that_is_far_off_hardly_moves_the_line() -> None:
    first, now_s = taught(100)
    before = first.line_s(4_000)
    first.learn(4_000, 60.0, now_s)
    assert first.line_s(4_000) == pytest.approx(before, rel=0.35)


def test_what_is_learned_stays_finite_whatever_is_said() -> None:
    first = FirstToken(Prior())
    for number in range(3_000):
        first.learn(number % 3 * 10**7, (0.0, 1e-9, 1e5)[number % 3], float(number))
        assert math.isfinite(first.line_s(10**6))
        assert 1 / 20.1 <= first.factor(float(number)) <= 50.1
        assert first.base_s >= 0
        assert first.speed_s >= 2e-6


@pytest.mark.parametrize("tokens", [0, 16, 1_000, 100_000])
@pytest.mark.parametrize("took_s", [0.0, 1e-3, 2.0])
def test_what_is_always_the_same_is_learned_and_nothing_else_is_made_of_it(
    tokens: int, took_s: float
) -> None:
    first = FirstToken(Prior())
    for number in range(5_000):
        first.learn(tokens, took_s, float(number))
    assert first.line_s(tokens) == pytest.approx(took_s, rel=0.05, abs=tokens * 2.1e-6 + 1e-3)
    assert first.base_s <= max(took_s * 1.1, 0.06)
    assert first.speed_s <= max(1e-3, 2 * took_s / max(tokens, 1))


def test_ten_thousand_alike_answers_leave_it_able_to_learn() -> None:
    first = FirstToken(Prior())
    for number in range(10_000):
        first.learn(500, 0.1, float(number))
    for number in range(60):
        first.learn(10_000, 1.0, 10_000.0 + number)
    assert first.line_s(10_000) == pytest.approx(1.0, rel=0.2)


def test_a_new_worker_is_expected_to_be_as_the_median_of_its_peers() -> None:
    peers = [
        FirstToken(Prior(base, speed)) for base, speed in ((0.1, 1e-4), (0.3, 9e-4), (0.2, 2e-4))
    ]
    prior = median_of(peers)
    assert prior.base_s == 0.2
    assert prior.speed_s == pytest.approx(2e-4)
    assert median_of([]).base_s == Prior().base_s


def test_time_between_tokens_grows_with_what_is_in_flight() -> None:
    between, dice = BetweenTokens(), Random(2)
    for _ in range(200):
        among = dice.randrange(1, 40)
        between.learn(among, 0.01 + 0.0005 * among)
    assert between.at_s(4) == pytest.approx(0.012, rel=0.1)
    assert between.at_s(32) == pytest.approx(0.026, rel=0.1)
