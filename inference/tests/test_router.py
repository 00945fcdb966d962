"""A choice lives as long as an attempt, and what it is told decides who is chosen next."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from inference.contracts.decisions import ALL_FULL, NOBODY_THERE, Decision
from inference.contracts.entries import Worker
from inference.routing.choice import Choice
from inference.routing.demand import Demand
from inference.routing.health import Breakers
from inference.routing.pick import Picker
from inference.routing.router import Router
from inference.telemetry.faults import Faults

DEMAND = Demand("proj_a", "small", 400)
FAILURES = 20
"""More than any breaker bears."""


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def health() -> Breakers:
    clock = Clock()
    return Breakers(clock, Faults(clock, lambda *_, **__: None))


@pytest.fixture
def router(health: Breakers) -> Router:
    def may_try(worker: Worker) -> bool:
        return health.may_try(worker.worker_id)

    picker = Picker(lambda _: 0, may_try, health.is_doubted, Random(7))
    return Router(picker, health)


def worker(name: str) -> Worker:
    return Worker(name, "http://127.0.0.1:1/v1", "small", ("embeddings",))


def choose(router: Router, *names: str, tried: tuple[str, ...] = ()) -> str | None:
    choice = router.choose([[worker(name) for name in names]], tried, DEMAND)
    return None if choice is None else choice.worker.worker_id


def attempt(router: Router, name: str, tell: Callable[[Choice], None]) -> None:
    choice = router.choose([[worker(name)]], (), DEMAND)
    assert choice is not None
    tell(choice)


def test_nobody_is_chosen_where_everybody_was_tried(router: Router) -> None:
    assert choose(router, "a", "b", tried=("a",)) == "b"
    assert choose(router, "a", "b", tried=("a", "b")) is None


def test_choice_knows_how_many_there_were_and_what_runs_where_it_fell(health: Breakers) -> None:
    busy = {"a": 9, "b": 4, "c": 4}
    picker = Picker(
        lambda worker: busy[worker.worker_id], lambda _: True, health.is_doubted, Random(7)
    )
    pools = [[worker(name) for name in busy]]

    first, second = (
        Router(picker, health).choose(pools, tried, DEMAND) for tried in ((), ("b", "c"))
    )

    assert first is not None
    assert first.decision == Decision(0, 3, busy[first.worker.worker_id])
    assert second is not None
    assert second.worker.worker_id == "a"
    assert second.decision == Decision(tried=2, candidates=1, in_flight=9)


def test_worker_that_keeps_failing_is_passed_over_while_another_is_there(router: Router) -> None:
    for _ in range(FAILURES):
        attempt(router, "a", Choice.failed)

    assert {choose(router, "a", "b") for _ in range(50)} == {"b"}
    assert choose(router, "a") == "a"


def test_failures_between_which_it_began_to_answer_are_not_in_a_row(router: Router) -> None:
    for tell in [Choice.failed, Choice.failed, Choice.failed, Choice.failed, Choice.began] * 2:
        attempt(router, "a", tell)

    assert {choose(router, "a", "b") for _ in range(50)} == {"a", "b"}


@pytest.mark.parametrize(
    "tell",
    [lambda choice: choice.answered_error(500), Choice.was_late],
    ids=["error", "late"],
)
def test_errors_and_lateness_are_counted_and_held_against_nobody(
    router: Router, health: Breakers, tell: Callable[[Choice], None]
) -> None:
    for _ in range(FAILURES):
        attempt(router, "a", tell)

    assert health.doubted() == health.out() == []
    assert list(health.faults.counts().values()) == [FAILURES]


def test_endpoint_is_served_while_any_worker_would_be_asked(
    router: Router, health: Breakers
) -> None:
    pools = [[worker("a")], [worker("b")]]
    health.put_out("a")
    served = router.is_any(pools)
    health.put_out("b")

    assert (served, router.is_any(pools)) == (True, False)


@pytest.mark.parametrize(
    ("pools", "out", "full", "reason"),
    [
        ([], (), (), NOBODY_THERE),
        ([["a"]], (), (), 0),
        ([["a"]], ("a",), (), NOBODY_THERE),
        ([["a"]], (), ("a",), ALL_FULL),
        ([["a", "b"]], ("a",), ("b",), ALL_FULL),
        ([["a"], ["b"]], (), ("a",), 0),
        ([["a", "b"]], ("b",), (), 0),
    ],
)
def test_pools_lack_a_worker_or_room(
    pools: list[list[str]], out: tuple[str, ...], full: tuple[str, ...], reason: int
) -> None:
    picker = Picker(
        lambda _: 0,
        lambda worker: worker.worker_id not in out,
        lambda _: False,
        Random(7),
        lambda worker: worker.worker_id in full,
    )

    assert picker.lacks([[worker(name) for name in names] for names in pools]) == reason


def test_doubted_worker_is_no_one_to_wait_for(health: Breakers, router: Router) -> None:
    for _ in range(FAILURES):
        attempt(router, "a", Choice.failed)

    assert router.lacks([[worker("a")]]) == NOBODY_THERE
    assert router.lacks([[worker("a"), worker("b")]]) == 0


def test_choice_says_why_others_stand_in(router: Router) -> None:
    demand = Demand("proj_a", "small", 400)
    demand.fallback = ALL_FULL
    choice = router.choose([[worker("a")]], (), demand)

    assert choice is not None
    assert choice.decision.fallback == ALL_FULL
