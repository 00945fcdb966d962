"""What a project is told of a decision: all of its own, and of others only what is rough."""

from __future__ import annotations

from dataclasses import replace

import pytest

from inference.contracts.policies import ONE
from inference.contracts.snapshot import OUT
from projects.models import Project
from routing.explained import (
    Explained,
    Kept,
    Names,
    decision_id_of,
    explain,
    letters_of,
    request_id_of,
    rough,
)
from tests.decisions import candidate, make_decision

pytestmark = pytest.mark.django_db
NOBODYS = Names({}, frozenset())
MINE = Names({"wrk_0": "rack-1", "wrk_1": "rack-2"}, frozenset())


def told(acme: Project, names: Names = NOBODYS, **said: object) -> Explained:
    record = make_decision(acme, **said)  # type: ignore[arg-type] # why: the caller names its fields
    [explained] = explain([Kept(record, "recent", {}, 0)], names)
    return explained


def test_ids_of_decisions_and_requests_name_each_other() -> None:
    assert request_id_of("dec_1") == request_id_of("req_1") == "req_1"
    assert decision_id_of("req_1") == "dec_1"


def test_cost_of_own_machines_is_told_to_the_tenth_of_a_millisecond(acme: Project) -> None:
    among = [candidate(0, backlog=333, in_flight=3, importance=ONE), candidate(1, backlog=9_000)]
    first = told(acme, MINE, candidates=among, weight=ONE).candidates[0]

    assert (first.name, first.is_own, first.load) == ("rack-1", True, 3)
    assert {term.name: term.ms for term in first.terms} == {
        "base": 50.0,
        "waiting": 33.3,
        "prompt": 100.0,
        "others": 50.0,
        "prices": 0.0,
    }
    assert first.cost_ms == 233.3
    assert first.ttft_ms == 183.3


def test_terms_count_by_what_the_requests_own_delay_counts(acme: Project) -> None:
    first = told(acme, MINE, weight=256).candidates[0]

    assert {term.name: term.ms for term in first.terms if term.ms} == {"base": 12.5, "prompt": 25}
    assert (first.ttft_ms, first.cost_ms) == (150.0, 37.5)


@pytest.mark.parametrize(
    ("value", "near"), [(0, 0), (0.3, 0.2), (1.4, 1), (33, 20), (36, 50), (74, 50), (76, 100)]
)
def test_rough_is_one_two_or_five(value: float, near: float) -> None:
    assert rough(value) == pytest.approx(near)


def test_of_shared_machines_load_shows_only_roughly(acme: Project) -> None:
    def shown(backlog: int, in_flight: int) -> str:
        busy = candidate(1, backlog=backlog, in_flight=in_flight, importance=in_flight * ONE)
        explained = told(acme, candidates=[candidate(0), busy], chosen=0)
        return repr(explained.candidates)

    assert shown(21_000, 8) == shown(19_000, 9)
    assert shown(21_000, 8) != shown(60_000, 40)


def test_shared_machines_have_letters_by_cost_and_the_same_in_every_attempt(
    acme: Project,
) -> None:
    among = [candidate(0, backlog=9_000), candidate(1), candidate(2, OUT)]
    first = make_decision(acme, among)
    second = replace(first, attempt=1, workers=("wrk_9", "wrk_0", "wrk_2"))

    attempts = explain([Kept(one, "recent", {}, 0) for one in (first, second)], NOBODYS)

    assert [one.name for one in attempts[0].candidates] == ["machine A", "machine B", "machine C"]
    assert [one.name for one in attempts[1].candidates] == ["machine B", "machine D", "machine C"]
    assert "wrk_" not in repr(attempts)


def test_letters_go_on_after_z() -> None:
    assert [letters_of(n) for n in (0, 25, 26, 27, 52)] == ["A", "Z", "AA", "AB", "BA"]


def test_hits_in_a_cache_that_everybody_shares_are_not_told(acme: Project) -> None:
    among = [candidate(0, hit_tokens=700), candidate(1, hit_tokens=300)]

    explained = told(acme, Names({}, frozenset({"wrk_0"})), candidates=among, chosen=0)

    assert [one.hit_tokens for one in explained.candidates] == [None, 300]


def test_who_could_not_be_chosen_says_why(acme: Project) -> None:
    among = [candidate(0), candidate(1, OUT), candidate(2, base_us=280_000)]

    explained = told(acme, candidates=among, ttft_us=200_000, weight=ONE)

    said = {one.name[-1]: one.reason for one in explained.candidates}
    assert said == {"A": "eligible", "B": "out", "C": "misses_target"}
    assert explained.candidates[0].verdict == "meets"


def test_target_that_changed_the_choice_says_whom_it_would_have_gone_to(acme: Project) -> None:
    # A slow idle machine is cheap while its delay of others counts most; a target is not met there.
    quick = candidate(0, backlog=500, importance=20 * ONE)
    slow = candidate(1, base_us=300_000)

    with_target = told(acme, MINE, candidates=[quick, slow], ttft_us=250_000, weight=ONE)
    without = told(acme, MINE, candidates=[quick, slow])

    assert (without.without_target, without.chosen.name) == ("", "rack-2")
    assert with_target.without_target == "rack-2"
