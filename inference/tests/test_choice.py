"""A choice counts until it is over, teaches if it came to a whole answer, and is told of once."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from inference.body.claims import ABSENT, ESTIMATED, MEASURED
from inference.body.tokens import Usage
from inference.contracts.entries import Worker
from inference.contracts.policies import POWER_OF_TWO, Policy
from inference.contracts.records import KEPT, MISSED, NO_TARGET, UNREACHABLE
from inference.http.fields import Names
from inference.routing.came import Came, Json
from inference.routing.choice import Choice
from inference.routing.demand import Demand
from inference.routing.health import Breakers
from inference.routing.pick import Picker
from inference.routing.router import Router
from inference.routing.state import State
from inference.routing.weigh import Scales, Weighed
from inference.telemetry.faults import Faults
from inference.telemetry.outcome import COMPLETE, Outcome
from inference.tests.simulated_fleet import worker_of

POOL = [[worker_of("a"), worker_of("b")]]


class Scene:
    """A router with its state, a clock that stands still, and the records it told."""

    def __init__(self) -> None:
        self.now = 100.0
        self.load: dict[str, int] = {}
        self.told: list[tuple[Weighed, Json]] = []
        self.complaints: list[str] = []
        self.health = Breakers(lambda: self.now, Faults(lambda: self.now, lambda *_, **__: None))
        picker = Picker(self._load, self._may_try, self.health.is_doubted, Random(7))
        self.scales = Scales(picker, self.health, State(), lambda: self.now, 1)
        self.scales.note = self._note
        self.router = Router(picker, self.health, self.scales, self.complaints.append)

    def choose(self, demand: Demand | None = None, *tried: str) -> Choice:
        choice = self.router.choose(POOL, tried, demand or asked())
        assert choice is not None
        return choice

    def in_flight(self) -> int:
        known = [self.scales.state.known(name) for name in "ab"]
        return sum(one.in_flight for one in known if one is not None)

    def _note(self, weighed: Weighed, came: Came) -> None:
        self.told.append((weighed, came.told(weighed.wish, weighed.decided)))

    def _load(self, worker: Worker) -> int:
        return self.load.get(worker.worker_id, 0)

    def _may_try(self, worker: Worker) -> bool:
        return self.health.may_try(worker.worker_id)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def asked(ttft_us: int = 0, tpot_us: int = 0, policy: Policy | None = None) -> Demand:
    demand = Demand("p1", "m", 4_000, list(range(1, 9)))
    demand.ttft_us, demand.tpot_us = ttft_us, tpot_us
    demand.policy = policy or demand.policy
    return demand


def ended(tokens: Usage, ending: str = COMPLETE, source: str = MEASURED) -> Outcome:
    outcome = Outcome(Names("req_1"), 0.0)
    outcome.tokens, outcome.ending, outcome.source, outcome.streamed = tokens, ending, source, True
    return outcome


ANSWER = Usage(1_000, 11, 0)
ENDS: dict[str, Callable[[Choice], None]] = {
    "complete": lambda choice: choice.conclude(ended(ANSWER)),
    "caller_left": lambda choice: choice.conclude(ended(ANSWER, "caller_left", ESTIMATED)),
    "timeout": lambda choice: choice.conclude(ended(Usage(0, 0), "timeout", ABSENT)),
    "worker_broke": Choice.failed,
    "refused": lambda choice: choice.answered_error(500),
    "dropped": Choice.drop,
}


@pytest.mark.parametrize("ending", list(ENDS))
def test_however_an_attempt_ends_it_counts_no_more_and_is_told_of_once(
    scene: Scene, ending: str
) -> None:
    choice = scene.choose()
    assert scene.in_flight() == 1
    ENDS[ending](choice)
    for again in ENDS.values():
        again(choice)
    assert scene.in_flight() == 0
    assert [came["ending"] for _, came in scene.told] == [ending]


def test_only_whole_answers_that_were_counted_teach(scene: Scene) -> None:
    for ending in ("caller_left", "timeout", "worker_broke", "refused", "dropped"):
        ENDS[ending](scene.choose())
    known = [scene.scales.state.known(name) for name in "ab"]
    assert [one.first.count for one in known if one is not None] == [0, 0]
    assert scene.scales.state.habits.of("p1", "m").rate == 0.25


def test_what_came_is_in_times_from_its_sending(scene: Scene) -> None:
    choice = scene.choose()
    scene.now += 0.2
    choice.first_token(is_stream=True)
    scene.now += 1.0
    choice.conclude(ended(ANSWER))
    [(weighed, came)] = scene.told
    assert (came["ttft_us"], came["tpot_us"], came["took_us"]) == (200_000, 100_000, 1_200_000)
    assert (came["tokens_in"], came["tokens_out"], came["cached"]) == (1_000, 11, 0)
    assert weighed.worker is choice.worker


def test_tokens_that_nobody_reported_as_cached_are_not_none_cached(scene: Scene) -> None:
    for cached in (None, 0):
        scene.choose().conclude(ended(Usage(1_000, 11, cached)))
    assert [came["cached"] for _, came in scene.told] == [None, 0]


@pytest.mark.parametrize(
    ("ttft_us", "tpot_us", "target"),
    [
        (0, 0, NO_TARGET),
        (400_000, 0, KEPT),
        (400_000, 100_000, KEPT),
        (0, 99_000, MISSED),
        (190_000, 0, UNREACHABLE),
    ],
)
def test_a_target_is_kept_missed_or_was_out_of_reach(
    scene: Scene, ttft_us: int, tpot_us: int, target: int
) -> None:
    choice = scene.choose(asked(ttft_us, tpot_us))
    scene.now += 0.2
    choice.first_token(is_stream=True)
    scene.now += 1.0
    choice.conclude(ended(ANSWER))
    assert scene.told[0][1]["target"] == target


def test_a_target_is_not_kept_where_nothing_came(scene: Scene) -> None:
    scene.choose(asked(ttft_us=400_000)).failed()
    assert scene.told[0][1]["target"] == MISSED


def test_another_attempt_is_another_decision_with_who_was_tried_left_out(scene: Scene) -> None:
    first = scene.choose()
    first.failed()
    second = scene.choose(None, first.worker.worker_id)
    assert second.worker is not first.worker
    assert (second.decision.tried, second.decision.candidates) == (1, 1)
    assert second.weighed is not None
    assert second.weighed.attempt == 1


def test_a_fault_in_deciding_costs_no_answer_and_is_said_once(scene: Scene) -> None:
    # What compiled code can't be given from outside, its memory can.
    said: dict[str, Any] = {name: {"another": None} for name in "ab"}
    scene.scales.state.elsewhere._by_worker.update(said)
    chosen = [scene.choose() for _ in range(3)]
    assert {choice.worker.worker_id for choice in chosen} <= {"a", "b"}
    assert scene.router.faults == 3
    assert [words.partition(":")[0] for words in scene.complaints] == ["TypeError"]
    chosen[0].conclude(ended(ANSWER))
    assert scene.told == []


def test_a_policy_may_ask_for_the_less_busy_of_two(scene: Scene) -> None:
    scene.load = {"a": 9}
    chosen = [scene.choose(asked(policy=POWER_OF_TWO)) for _ in range(60)]
    assert {choice.weighed for choice in chosen} == {None}
    assert sum(choice.worker.worker_id == "b" for choice in chosen) > 35
    assert scene.told == []


def test_the_same_request_draws_the_same_whoever_asks(scene: Scene) -> None:
    draws = [scene.scales.weigh(POOL, (), asked()) for _ in range(2)]
    assert len({one.draw for one in draws if one is not None}) == 1


def test_what_a_machine_says_of_itself_counts_as_load(scene: Scene) -> None:
    scene.load = {"a": 40}
    weighed = scene.scales.weigh(POOL, (), asked())
    assert weighed is not None
    assert [one.in_flight for one in weighed.candidates] == [40, 0]
    assert weighed.worker.worker_id == "b"
