"""Bodies that are dear to read: one at a time, and the loop is the others' for as long between."""

from __future__ import annotations

import pytest

from inference.exchange.slow_readings import SlowReadings
from inference.tests.scripted_loop import ScriptedLoop

COST_S = 0.005


class Desk:
    """A loop, its clock, and what was read when."""

    def __init__(self) -> None:
        self.loop = ScriptedLoop()  # type: ignore[abstract] # why: its clock and timers are all
        self.spent_s = 0.0
        self.readings = SlowReadings(self.loop, lambda: self.loop.time() + self.spent_s)
        self.read: list[tuple[str, float]] = []
        self.began = self.loop.time()

    def add(self, name: str, *, is_broken: bool = False) -> None:
        def read() -> None:
            self.read.append((name, round(self.loop.time() - self.began, 6)))
            self.spent_s += COST_S
            if is_broken:
                raise RuntimeError(name)

        self.readings.add(read)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_nobody_reads_before_the_call_returned(desk: Desk) -> None:
    desk.add("a")

    assert desk.read == []


def test_each_reads_in_turn_and_the_loop_rests_as_long_as_it_took(desk: Desk) -> None:
    for name in "abc":
        desk.add(name)

    desk.loop.let_pass(1)

    assert desk.read == [("a", 0.0), ("b", COST_S), ("c", 2 * COST_S)]
    assert desk.loop.is_idle


def test_who_comes_while_the_loop_rests_waits_for_its_end(desk: Desk) -> None:
    desk.add("a")
    desk.loop.let_pass(COST_S / 5)

    desk.add("b")
    desk.loop.let_pass(1)
    desk.add("c")
    desk.loop.let_pass(1)

    assert desk.read == [("a", 0.0), ("b", COST_S), ("c", 1 + COST_S / 5)]


def test_one_that_fails_keeps_no_other_from_reading(desk: Desk) -> None:
    desk.add("a", is_broken=True)
    desk.add("b")

    desk.loop.let_pass(1)

    assert [name for name, _ in desk.read] == ["a", "b"]
    assert [str(trouble["exception"]) for trouble in desk.loop.troubles] == ["a"]
