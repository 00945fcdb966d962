"""A worker that fails repeatedly is passed over for a while, and for no longer each time."""

from __future__ import annotations

import pytest

from inference.routing.breaker import Breaker, BreakerConfig

DOUBT_S = BreakerConfig().doubt_s


def broken(now_s: float = 0.0) -> Breaker:
    breaker = Breaker()
    for _ in range(5):
        breaker.failed(now_s)
    return breaker


def test_five_failures_in_a_row_begin_a_doubt() -> None:
    breaker = Breaker()
    for _ in range(4):
        breaker.failed(0.0)
    assert not breaker.is_doubted(0.0)

    breaker.failed(0.0)

    assert breaker.is_doubted(0.0)
    assert breaker.is_doubted(DOUBT_S - 0.001)
    assert not breaker.is_doubted(DOUBT_S)


def test_success_breaks_the_row() -> None:
    breaker = Breaker()
    for _ in range(10):
        for _ in range(4):
            breaker.failed(0.0)
        for _ in range(8):
            breaker.succeeded(0.0)

    assert not breaker.is_doubted(0.0)


def test_half_of_twenty_begin_it_without_a_row() -> None:
    breaker = Breaker()
    for _ in range(9):
        breaker.failed(1.0)
        breaker.succeeded(1.0)
    assert not breaker.is_doubted(1.0)

    breaker.failed(1.0)
    breaker.failed(1.0)

    assert breaker.is_doubted(1.0)


def test_old_failures_fade() -> None:
    breaker = Breaker()
    for step in range(100):
        breaker.failed(step * 1.0)
        breaker.succeeded(step * 1.0)

    assert not breaker.is_doubted(100.0)


@pytest.mark.parametrize("more", [0, 1, 1000])
def test_doubt_grows_with_nothing(more: int) -> None:
    breaker, now_s, lasted = broken(), 0.0, []
    for _ in range(5):
        began_s = now_s
        for _ in range(more):
            breaker.failed(now_s)
        while breaker.is_doubted(now_s):
            now_s += 0.5
        lasted.append(now_s - began_s)
        for _ in range(5):
            breaker.failed(now_s)

    assert lasted == [DOUBT_S] * 5


def test_after_a_doubt_the_slate_is_clean() -> None:
    breaker = broken()
    for _ in range(4):
        breaker.failed(DOUBT_S)

    assert not breaker.is_doubted(DOUBT_S)
