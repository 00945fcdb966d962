"""A chart has a point for every step of its range, in UTC, also where nothing happened."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest

from dashboard.shell import charts
from dashboard.shell.charts import Line, chart_of, range_named, steps_of

NOW = datetime(2026, 3, 1, 0, 30, 45, 123456, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "count", "first", "last"),
    [
        (
            "1h",
            60,
            datetime(2026, 2, 28, 23, 31, tzinfo=UTC),
            datetime(2026, 3, 1, 0, 30, tzinfo=UTC),
        ),
        ("24h", 24, datetime(2026, 2, 28, 1, tzinfo=UTC), datetime(2026, 3, 1, 0, tzinfo=UTC)),
        ("7d", 168, datetime(2026, 2, 22, 1, tzinfo=UTC), datetime(2026, 3, 1, 0, tzinfo=UTC)),
        ("30d", 30, datetime(2026, 1, 31, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)),
    ],
)
def test_range_ends_with_the_step_one_is_in(
    name: str, count: int, first: datetime, last: datetime
) -> None:
    steps = steps_of(range_named(name), NOW)

    assert (len(steps), steps[0], steps[-1]) == (count, first, last)
    assert len({after - before for before, after in pairwise(steps)}) == 1


@pytest.mark.parametrize("hours", [-9, 1, 5.5, 13])
@pytest.mark.parametrize("choice", charts.RANGES, ids=lambda one: one.name)
def test_steps_are_utcs_whatever_the_zone_of_the_moment(choice: charts.Range, hours: float) -> None:
    there = NOW.astimezone(timezone(timedelta(hours=hours)))

    assert steps_of(choice, there) == steps_of(choice, NOW)


@pytest.mark.parametrize(
    ("name", "found"), [("1h", "1h"), ("30d", "30d"), ("", "24h"), ("1y", "24h"), ("1H", "24h")]
)
def test_range_nobody_offers_is_the_usual_one(name: str, found: str) -> None:
    assert range_named(name).name == found


def test_every_range_is_whole_steps_long() -> None:
    assert all(one.length % one.step_length == timedelta(0) for one in charts.RANGES)
    assert [one.step for one in charts.RANGES] == ["minute", "hour", "hour", "day"]


def test_step_nobody_counted_is_zero_and_what_lies_outside_is_left_out() -> None:
    steps = steps_of(range_named("30d"), NOW)
    counted = {steps[0]: 3, steps[-1]: 5, steps[0] - timedelta(days=1): 99}

    chart = chart_of("c", "Requests", steps, [Line("All", "main", counted), Line("Bad", "bad", {})])

    assert chart.figures["series"] == [[3, *[0] * 28, 5], [0] * 30]
    assert chart.figures["times"] == [int(step.timestamp()) for step in steps]
    assert (chart.figures["labels"], chart.figures["looks"]) == (["All", "Bad"], ["main", "bad"])
    assert chart.legend == (("main", "All"), ("bad", "Bad"))
    assert (chart.element_id, chart.title) == ("c", "Requests")


def test_table_below_begins_with_the_latest_step() -> None:
    steps = steps_of(range_named("30d"), NOW)

    rows = chart_of("c", "Requests", steps, [Line("All", "main", {steps[-1]: 5})]).rows

    assert (rows[0].moment, rows[0].values) == (steps[-1], (5,))
    assert (rows[-1].moment, rows[-1].values) == (steps[0], (0,))
    assert len(rows) == 30


def test_chart_without_lines_has_no_rows_to_lie_about() -> None:
    chart = chart_of("c", "Requests", [], [])

    assert (chart.rows, chart.legend, chart.figures["series"]) == ((), (), [])
