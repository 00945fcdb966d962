"""Rules of usage, as tables: which sums answer a period, where steps begin, how pages follow."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from projects.models import Project
from tests.make import make_event, request_id
from usage.rules import (
    COLUMNS,
    EVER,
    KEPT,
    Cursor,
    Grain,
    cursor_from,
    day,
    floor,
    grain_for,
    is_failure,
    is_kept,
    month_of,
    months_before,
    reached,
    row_of,
)

NOW = datetime(2026, 11, 30, 15, 45, 30, 123456, tzinfo=UTC)
TODAY = datetime(2026, 11, 30, tzinfo=UTC)
BERLIN = timezone(timedelta(hours=1))
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.mark.parametrize(
    ("since", "until", "grain"),
    [
        pytest.param(TODAY - 300 * DAY, TODAY, Grain.DAY, id="whole days"),
        pytest.param(TODAY - DAY, NOW, Grain.DAY, id="whole days until now"),
        pytest.param(TODAY - DAY, NOW - HOUR, Grain.MINUTE, id="not a whole day"),
        pytest.param(NOW - 2 * DAY, NOW, Grain.MINUTE, id="as long as minutes are summed"),
        pytest.param(NOW - 2 * DAY - HOUR, NOW, Grain.HOUR, id="longer"),
        pytest.param(NOW - 90 * DAY, NOW, Grain.HOUR, id="as long as hours are summed"),
        pytest.param(NOW - 91 * DAY, NOW, Grain.DAY, id="longer than that"),
        pytest.param(NOW - 8 * DAY, NOW - 7 * DAY, Grain.MINUTE, id="minutes are just kept"),
        pytest.param(NOW - 9 * DAY, NOW - 8 * DAY, Grain.HOUR, id="minutes are gone"),
        pytest.param(NOW - 401 * DAY, NOW - 400 * DAY, Grain.DAY, id="hours are gone"),
        pytest.param(
            TODAY.astimezone(BERLIN) - DAY, TODAY.astimezone(BERLIN), Grain.DAY, id="UTC's days"
        ),
        pytest.param(EVER, NOW, Grain.DAY, id="ever"),
    ],
)
def test_period_is_answered_by_sums_that_are_exact_and_still_there(
    since: datetime, until: datetime, grain: Grain
) -> None:
    assert grain_for(since, until, NOW) == grain


def test_sums_are_kept_to_the_very_moment_and_days_for_good() -> None:
    for grain, life in KEPT.items():
        assert is_kept(grain, NOW - life, NOW)
        assert not is_kept(grain, NOW - life - timedelta(microseconds=1), NOW)
    assert is_kept(Grain.DAY, EVER, NOW)


@pytest.mark.parametrize(
    ("grain", "start"),
    [
        (Grain.MINUTE, datetime(2026, 11, 30, 15, 45, tzinfo=UTC)),
        (Grain.HOUR, datetime(2026, 11, 30, 15, tzinfo=UTC)),
        (Grain.DAY, TODAY),
    ],
)
def test_step_begins_in_utc_whatever_the_zone_of_the_moment(grain: Grain, start: datetime) -> None:
    for moment in (NOW, NOW.astimezone(BERLIN), NOW.astimezone(timezone(timedelta(hours=-9)))):
        assert floor(moment, grain) == start
    assert floor(start, grain) == start


@pytest.mark.parametrize(
    ("status", "ending", "is_one"),
    [
        (200, "complete", False),
        (399, "complete", False),
        (400, "complete", True),
        (200, "worker_broke", True),
        (499, "caller_left", False),
    ],
)
def test_caller_who_leaves_was_not_failed(status: int, ending: str, is_one: bool) -> None:
    assert is_failure(status, ending) is is_one


@pytest.mark.parametrize("streamed", [True, False])
def test_time_to_the_first_token_is_that_of_a_stream_only(streamed: bool) -> None:
    event = make_event(Project(), request_id=request_id(NOW.timestamp()), streamed=streamed)
    event = replace(event, ttft_ms=12.5, terms_version=7)

    row = dict(zip(COLUMNS, row_of(event, 42), strict=True))

    assert row["ttft_ms"] == (12.5 if streamed else None)
    assert (row["project_id"], row["terms_number"]) == (42, 7)
    assert abs(row["started_at"] - NOW) < timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("spent", "told"),
    [
        (0, ()),
        (499, ()),
        (500, (50,)),
        (749, (50,)),
        (750, (50, 75)),
        (900, (50, 75, 90)),
        (999, (50, 75, 90)),
        (1000, (50, 75, 90, 100)),
        (9999, (50, 75, 90, 100)),
    ],
)
def test_threshold_is_reached_by_the_last_unit(spent: int, told: tuple[int, ...]) -> None:
    assert reached(spent, 1000) == told


def test_day_that_someone_wrote_is_utcs() -> None:
    assert day("2026-11-30") == TODAY
    with pytest.raises(ValueError, match="yesterday"):
        day("yesterday")


@pytest.mark.parametrize(
    ("moment", "back", "first"),
    [
        (NOW, 0, (2026, 11)),
        (NOW, 10, (2026, 1)),
        (NOW, 11, (2025, 12)),
        (NOW, 23, (2024, 12)),
        (datetime(2026, 1, 1, 0, 30, tzinfo=BERLIN), 0, (2025, 12)),
        (datetime(2026, 12, 31, tzinfo=UTC), 1, (2026, 11)),
    ],
)
def test_months_are_counted_back_over_the_turn_of_the_year(
    moment: datetime, back: int, first: tuple[int, int]
) -> None:
    assert months_before(moment, back) == datetime(*first, 1, tzinfo=UTC)
    assert months_before(moment, 0) == month_of(moment)


@pytest.mark.parametrize("name", ["req_1", "req_12", "req_123", "req_1|2"])
def test_cursor_is_read_as_it_was_written(name: str) -> None:
    cursor = Cursor(NOW, name)

    assert "=" not in cursor.text()
    assert cursor_from(cursor.text()) == cursor


@pytest.mark.parametrize(
    "cursor",
    [
        Cursor(NOW, "req_\0"),
        Cursor(NOW.replace(tzinfo=None), "req_1"),
    ],
    ids=["an id no database keeps", "a moment of no zone"],
)
def test_cursor_nobody_was_given_begins_the_list_anew(cursor: Cursor) -> None:
    assert cursor_from(cursor.text()) is None


@pytest.mark.parametrize("text", ["", "!", "a", "YQ", Cursor(NOW, "").text(), "w7w"])
def test_cursor_that_is_nonsense_begins_the_list_anew(text: str) -> None:
    assert cursor_from(text) is None
