"""What is guarded: cases ask the same of every rule, and ours chooses the same over real bytes."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import pytest

from bench.routing import contest, scenarios
from bench.routing.ours import Ours, RealBytes
from bench.routing.requests import Asked, Open
from bench.routing.simulate import Run

CASES = {case.name: case for case in scenarios.cases()}


def first(case: scenarios.Case, seed: int) -> list[Asked]:
    return list(case.asked(seed).first())


@pytest.mark.parametrize("name", CASES)
def test_a_case_is_the_same_for_a_seed_and_another_for_another(name: str) -> None:
    def told(seed: int) -> list[tuple[object, ...]]:
        found = islice(first(CASES[name], seed), 500)
        return [(one.number, one.at, one.size, one.blocks, one.goal, one.target) for one in found]

    assert told(1) == told(1)
    assert told(1) != told(2)


def test_every_scenario_has_cases_and_every_case_a_name_of_its_own() -> None:
    assert {case.scenario for case in CASES.values()} == {1, 2, 3, 4, 5, 6}
    assert len(CASES) == len(scenarios.cases())
    assert set(CASES) < set(contest.every_case())


def test_three_of_ten_requests_have_a_target_where_targets_are_mixed() -> None:
    found = first(CASES["mixed targets"], 1)

    assert sum(one.target is not None for one in found) / len(found) == pytest.approx(0.3, abs=0.02)
    assert all(one.target == one.goal for one in found)


def test_nobody_is_told_a_goal_where_targets_are_not_said() -> None:
    found = first(CASES["mixed machines"], 1)

    assert all(one.goal is not None and one.target is None for one in found)


def test_only_those_who_do_not_flood_are_judged() -> None:
    found = first(CASES["noisy tenant, 6 a second"], 1)

    loud = [one for one in found if one.project == scenarios.FLOOD]
    assert len(loud) > 1_500
    assert all(one.goal is None for one in loud)


def test_a_size_says_how_many_bytes_a_token_really_is() -> None:
    case = replace(CASES["mixed machines"], token_bytes=5.0)

    assert all(one.size == 5 * one.prompt for one in first(case, 1))


def test_ours_chooses_the_same_over_hashes_of_names_and_over_real_bytes() -> None:
    case = CASES["mixed machines"]
    some = first(case, 1)[:250]

    chosen = [
        [one.worker for one in Run(case.fleet(), Open(some), rule, 1).whole()]
        for rule in (Ours, RealBytes)
    ]

    assert chosen[0] == chosen[1]
    assert len(set(chosen[0])) > 4


def test_one_seed_is_run_after_the_other_and_a_row_names_its_job() -> None:
    jobs = contest.jobs(["noisy tenant, 6 a second"], ["random", "round robin"], 2)

    assert [(one.rule, one.seed) for one in jobs] == [
        ("random", 1),
        ("round robin", 1),
        ("random", 2),
        ("round robin", 2),
    ]
    row = contest.run(jobs[0])
    assert (row["case"], row["rule"], row["seed"]) == ("noisy tenant, 6 a second", "random", 1)
    assert 0 <= row["attained"] <= 1
