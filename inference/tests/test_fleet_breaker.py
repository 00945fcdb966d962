"""A worker that fails repeatedly is left alone, and comes back by one trial request."""

from __future__ import annotations

import pytest

from inference.fleet.breaker import Breaker, BreakerConfig, State


def broken(now_s: float = 0.0) -> Breaker:
    breaker = Breaker()
    for _ in range(5):
        breaker.failed(now_s)
    return breaker


def test_five_failures_in_a_row_open_it() -> None:
    breaker = Breaker()
    for _ in range(4):
        breaker.failed(0.0)
    assert breaker.may_ask(0.0)

    breaker.failed(0.0)

    assert breaker.state(0.0) is State.OPEN
    assert not breaker.may_ask(0.999)


def test_success_breaks_the_row() -> None:
    breaker = Breaker()
    for _ in range(10):
        for _ in range(4):
            breaker.failed(0.0)
        for _ in range(8):
            breaker.succeeded(0.0)

    assert breaker.state(0.0) is State.CLOSED


def test_half_of_twenty_open_it_without_a_row() -> None:
    breaker = Breaker()
    for _ in range(9):
        breaker.failed(1.0)
        breaker.succeeded(1.0)
    assert breaker.state(1.0) is State.CLOSED

    breaker.failed(1.0)
    breaker.failed(1.0)

    assert breaker.state(1.0) is State.OPEN


def test_old_failures_fade() -> None:
    breaker = Breaker()
    for step in range(100):
        breaker.failed(step * 1.0)
        breaker.succeeded(step * 1.0)

    assert breaker.state(100.0) is State.CLOSED


def test_one_trial_at_a_time() -> None:
    breaker = broken()
    assert breaker.state(1.0) is State.HALF_OPEN
    assert breaker.may_ask(1.0)

    breaker.asked(1.0)

    assert not breaker.may_ask(1.0)
    breaker.succeeded(1.5)
    assert breaker.state(1.5) is State.CLOSED


def test_failed_trials_double_the_wait_up_to_the_bound() -> None:
    breaker, now_s, waits = broken(), 0.0, []
    for _ in range(7):
        opened_s = now_s
        while not breaker.may_ask(now_s):
            now_s += 0.5
        waits.append(now_s - opened_s)
        breaker.asked(now_s)
        breaker.failed(now_s)

    assert waits == [1, 2, 4, 8, 16, 30, 30]


def test_trial_that_was_given_up_frees_its_place() -> None:
    breaker = broken()
    breaker.asked(1.0)
    breaker.given_up()

    assert breaker.may_ask(1.0)


def test_lost_trial_does_not_close_a_worker_off_for_good() -> None:
    breaker = broken()
    breaker.asked(1.0)

    assert not breaker.may_ask(60.9)
    assert breaker.may_ask(61.0)


@pytest.mark.parametrize("now_s", [0.5, 1.5])
def test_answers_asked_for_before_it_opened_change_nothing(now_s: float) -> None:
    breaker = broken()
    breaker.succeeded(now_s)
    breaker.failed(now_s)

    assert breaker.state(0.5) is State.OPEN
    assert breaker.state(1.0) is State.HALF_OPEN


def test_healed_worker_starts_with_a_clean_slate() -> None:
    breaker = broken()
    breaker.asked(1.0)
    breaker.succeeded(1.0)
    for _ in range(4):
        breaker.failed(2.0)

    assert breaker.may_ask(2.0)
    assert Breaker(BreakerConfig(failures_in_row=1)).may_ask(0.0)
