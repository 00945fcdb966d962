"""The wheel of deadlines: each comes once, never early, two ticks late at most."""

from __future__ import annotations

import pytest

from inference.exchange.timers import TICK_S, Wheel
from inference.tests.scripted_loop import ScriptedLoop


@pytest.fixture
def loop() -> ScriptedLoop:
    return ScriptedLoop()  # type: ignore[abstract] # why: a wheel asks for its clock and timers


class Waiter:
    def __init__(self, due: float, wheel: Wheel) -> None:
        self.due = due
        self.fired: list[float] = []
        self.others: list[Waiter] = []
        self._wheel = wheel

    def on_due(self, now: float) -> None:
        self.fired.append(now)
        for other in self.others:
            self._wheel.disarm(other)


class Broken(Waiter):
    def on_due(self, now: float) -> None:
        super().on_due(now)
        raise RuntimeError("This one is broken.")


def test_deadline_that_fails_is_reported_and_stops_no_other(loop: ScriptedLoop) -> None:
    wheel, due = Wheel(loop), loop.time() + 0.03
    broken, beside, later = Broken(due, wheel), Waiter(due, wheel), Waiter(due + 0.05, wheel)
    for waiter in (broken, beside, later):
        wheel.arm(waiter)

    loop.let_pass(0.2)

    assert [len(waiter.fired) for waiter in (broken, beside, later)] == [1, 1, 1]
    assert [str(trouble["exception"]) for trouble in loop.troubles] == ["This one is broken."]
    assert len(wheel) == 0


def test_deadlines_fire_once_never_early_and_follow_when_moved(loop: ScriptedLoop) -> None:
    wheel, start = Wheel(loop), loop.time()
    early, moved, gone = (Waiter(start + 0.05, wheel) for _ in range(3))
    for waiter in (early, moved, gone):
        wheel.arm(waiter)
    moved.due = start + 0.15
    wheel.disarm(gone)

    loop.let_pass(1.0)

    assert [len(waiter.fired) for waiter in (early, moved, gone)] == [1, 1, 0]
    assert 0.05 <= early.fired[0] - start <= 0.05 + 2 * TICK_S
    assert 0.15 <= moved.fired[0] - start <= 0.15 + 2 * TICK_S
    assert len(wheel) == 0


def test_deadline_disarmed_by_another_of_the_same_moment_does_not_fire(loop: ScriptedLoop) -> None:
    wheel, moment = Wheel(loop), loop.time() + 0.03
    pair = [Waiter(moment, wheel) for _ in range(2)]
    pair[0].others, pair[1].others = [pair[1]], [pair[0]]
    for waiter in pair:
        wheel.arm(waiter)

    loop.let_pass(0.2)

    assert len(pair[0].fired) + len(pair[1].fired) == 1


def test_wheel_with_nothing_to_watch_does_not_turn(loop: ScriptedLoop) -> None:
    wheel = Wheel(loop)
    wheel.arm(Waiter(loop.time() + 0.03, wheel))

    loop.let_pass(0.2)

    assert loop.is_idle
