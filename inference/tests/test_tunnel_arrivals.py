"""A gateway takes so many links a second, and tells the others when to come again."""

from __future__ import annotations

from random import Random

import pytest

from inference.fleet.tunnel.config import TunnelConfig
from inference.fleet.tunnel.handshake import Arrivals
from inference.tests.interpreted import skip_if_compiled

skip_if_compiled()

CONFIG = TunnelConfig()
PER_S, AT_ONCE = CONFIG.links_per_s, CONFIG.links_at_once
GOAL = 50
"""Links within any second, of one gateway."""
LATE_S = 0.1
"""So late may somebody who watches see one of them."""


def taken(dials: list[float], per_s: int = PER_S, at_once: int = AT_ONCE) -> list[float]:
    """Return when links were taken, of those dialled."""
    now = [0.0]
    arrivals = Arrivals(per_s, at_once, lambda: now[0])

    def is_taken(at: float) -> bool:
        now[0] = at
        return not arrivals.wait_s()

    return [at for at in dials if is_taken(at)]


def busiest(moments: list[float], window_s: float) -> int:
    """Return the most within a window, wherever it begins, its last moment included."""
    return max(sum(first <= at <= first + window_s for at in moments) for first in moments)


@pytest.mark.parametrize("every_s", [0.001, 0.004, 0.0137, 1 / 50])
def test_no_more_links_come_within_any_second_than_are_wanted(every_s: float) -> None:
    came = taken([number * every_s for number in range(int(5 / every_s))])

    assert len(came) == pytest.approx(5 * PER_S + AT_ONCE, abs=2)
    assert busiest(came, 1.0) <= PER_S + AT_ONCE


def test_who_watches_from_outside_sees_no_more_than_the_goal_either() -> None:
    chance = Random(1)
    storm = sorted(chance.uniform(0, 8) for _ in range(5000))
    quiet = [20.0 + chance.uniform(0, 0.01) for _ in range(500)]  # After it is full again.
    came = taken([*storm, *sorted(quiet), *(21.0 + one / 300 for one in range(900))])

    assert busiest(came, 1.0 + LATE_S) <= GOAL
    seen = [at + chance.uniform(0, LATE_S) for at in came]
    assert busiest(seen, 1.0) <= GOAL


def test_whoever_is_too_many_has_a_place_in_a_line_that_moves_as_fast_as_links_are_taken() -> None:
    now = [0.0]
    arrivals = Arrivals(50, 10, lambda: now[0])
    waits = [arrivals.wait_s() for _ in range(460)]

    assert waits[:10] == [0.0] * 10
    assert waits[10] == waits[59] == 1.0
    assert waits[459] == pytest.approx(9.0)
    assert sum(2 < wait <= 3 for wait in waits) == 50

    now[0] = 9.0
    assert [arrivals.wait_s() for _ in range(11)] == [0.0] * 10 + [1.0]


def test_flood_of_links_keeps_nobody_off_for_long_after_it_is_over() -> None:
    now = [0.0]
    arrivals = Arrivals(50, 10, lambda: now[0])

    assert max(arrivals.wait_s() for _ in range(100_000)) == 20.0
    now[0] = 20.0
    assert [arrivals.wait_s() for _ in range(11)] == [0.0] * 10 + [1.0]
