"""What is guarded: figures count what they say, and refusals never come in time."""

from __future__ import annotations

import pytest

from bench.routing import contest, measures, report
from bench.routing.requests import Asked, Target
from bench.routing.scenarios import FAST, SLOW
from bench.routing.simulate import Fleet, Flight

FLEET = Fleet((SLOW, FAST))


def flight(
    number: int, first: float, ended: float, *, project: int = 0, refused: bool = False
) -> Flight:
    asked = Asked(number, float(number), 1024, 11, (1, 2), project, 4096, goal=Target(1.0, 0.05))
    return Flight(
        asked,
        0,
        number % 2,
        asked.at,
        asked.at + first,
        asked.at + ended,
        cached=512,
        refused=refused,
    )


def test_in_time_is_first_token_and_pace_together() -> None:
    assert measures.in_time(flight(1, 1.0, 1.5))
    assert not measures.in_time(flight(1, 1.01, 1.5))
    assert not measures.in_time(flight(1, 0.5, 1.2))
    assert not measures.in_time(flight(1, 0.5, 0.9, refused=True))


def test_attainment_is_of_all_who_had_a_goal_but_the_first_tenth() -> None:
    flights = [flight(n, 0.5 if n % 4 else 5.0, 6.0 if n % 4 == 0 else 0.9) for n in range(40)]
    found = measures.figures(flights, FLEET)

    assert (found["requests"], found["judged"]) == (36, 36)
    assert found["attained"] == pytest.approx(27 / 36)
    assert found["hit"] == 0.5
    assert found["ttft_with"]["p50"] == pytest.approx(0.5)
    assert found["ttft_without"] is None
    assert found["goodput"] == pytest.approx(27 / 35)


def test_reachable_is_what_an_idle_machine_of_the_best_kind_would_do() -> None:
    known, new = flight(0, 0.1, 0.2), flight(1, 0.1, 0.2)
    for one in (known, new):
        one.asked.prompt = 40 * 512 + 1
        one.asked.goal = Target(0.1, 1.0)
    known.asked.blocks = new.asked.blocks = tuple(range(40))

    assert measures.reachable([known, new], FLEET) == {1}
    assert measures.alone(FAST.speed, known.asked, 40) == pytest.approx(
        FAST.speed.base + FAST.speed.prompt_token + FAST.speed.attention * 40 * 512
    )


def test_jain_is_one_where_all_fare_alike_and_less_where_one_starves() -> None:
    alike = [flight(n, 0.5, 0.9, project=n % 3) for n in range(9)]
    starved = [
        flight(n, 0.5 if n % 3 else 9.0, 10.0 if n % 3 == 0 else 0.9, project=n % 3)
        for n in range(9)
    ]

    assert measures.jain(alike) == pytest.approx(1.0)
    assert measures.jain(starved) == pytest.approx(2 / 3)


def test_the_interval_of_a_steady_run_is_narrow_and_holds_its_mean() -> None:
    low, high = measures.interval([(100, 80), (100, 82), (100, 78)] * 10)

    assert 0.78 < low < 0.80 < high < 0.82
    assert measures.interval([]) == (0.0, 0.0)


def test_the_share_of_a_worker_is_counted_between_moments() -> None:
    flights = [flight(n, 0.5, 0.9) for n in range(10)]

    assert measures.shares_of(flights, 1, (0, 4, 5, 20, 30)) == [0.5, 0.0, 0.6, None]


def test_a_quantile_is_a_value_that_was_seen() -> None:
    assert [measures.quantile([1.0, 2.0, 3.0, 4.0], share) for share in (0.5, 0.99)] == [2.0, 4.0]


def test_a_verdict_sets_ours_against_the_best_of_the_others_seed_by_seed() -> None:
    rows = []
    for rule, attained in (("ours", 0.80), ("LMetric", 0.82), ("oracle", 0.99), ("random", 0.1)):
        for seed in (1, 2, 3):
            row = measures.figures([flight(n, 0.5, 0.9) for n in range(20)], FLEET)
            row |= {"case": "a case", "rule": rule, "seed": seed, "cpu_s": 1.0}
            rows.append(row | {"attained": attained + seed / 1000})
    summary = contest.summed_up(rows)

    assert list(report.verdicts(summary)) == [
        "LOST a case: 80.2 against 82.2 (LMetric), -2.0 points, paired -2.0 -2.0 -2.0"
    ]
    (table,) = report.tables(summary)
    assert table.count("\n| ") == 5
    assert "| ours | 80.2 (80.1) |" in table
