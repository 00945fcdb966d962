"""Usage pages show a project its own requests, all of them, newest first."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from common import clock
from inference.contracts.entries import dump
from projects.models import Project
from tests.make import make_event, request_id
from usage import intake, rules, selectors
from usage.intake import Arrived
from usage.rules import Cursor, Grain, cursor_from
from usage.selectors import Filter


def record(project: Project, count: int = 1, **said: object) -> None:
    start = time.time() - 60
    events = [
        make_event(project, **{"request_id": request_id(at=start + n / 1000), **said})
        for n in range(count)
    ]
    intake.take_in([Arrived("s", f"1-{n}", dump(event)) for n, event in enumerate(events)])


def test_pages_hold_every_record_once_newest_first(acme: Project) -> None:
    record(acme, 25)

    seen: list[str] = []
    after: Cursor | None = None
    for _ in range(4):
        rows, after = selectors.page(project=acme, wanted=Filter(), after=after, limit=10)
        seen += [row.request_id for row in rows]
        if after is None:
            break
        after = cursor_from(after.text())

    assert len(seen) == len(set(seen)) == 25
    assert seen == sorted(seen, reverse=True)


def test_list_holds_only_ours(acme: Project, rival: Project) -> None:
    record(acme, 2)
    record(rival, 3)

    rows, _ = selectors.page(project=acme, wanted=Filter())

    assert len(rows) == 2
    assert selectors.totals(project=acme, wanted=Filter()).requests == 2
    assert sum(p.requests for p in selectors.series(project=acme, wanted=Filter(), step="day")) == 2


def test_filters_narrow_and_totals_agree(acme: Project) -> None:
    record(acme, 3, endpoint="chat", tokens_in=10, tokens_out=5)
    record(acme, 2, endpoint="embed", endpoint_id="ep_y", status=502, ending="worker_broke")

    chat = selectors.totals(project=acme, wanted=Filter(endpoint="chat"))
    failed = selectors.totals(project=acme, wanted=Filter(failed_only=True))

    assert (chat.requests, chat.failures, chat.tokens_in, chat.tokens_out) == (3, 0, 30, 15)
    assert (failed.requests, failed.failures, failed.tokens_in) == (2, 2, 24)


def test_only_what_failed_is_summed_also_where_others_succeeded(acme: Project) -> None:
    record(acme, 3, cost=10)
    record(acme, 1, cost=7, tokens_in=5, status=502, ending="worker_broke")

    failed = Filter(failed_only=True)
    totals = selectors.totals(project=acme, wanted=failed)
    [point] = selectors.series(project=acme, wanted=failed, step="day")

    assert (totals.requests, totals.cost, totals.tokens_in) == (1, 7, 5)
    assert (point.requests, point.failures, point.cost) == (1, 1, 7)


DAY = datetime(2026, 11, 22, tzinfo=UTC)
LATER = DAY + timedelta(days=3, hours=5)


@pytest.mark.parametrize(
    ("since", "until", "grain"),
    [
        pytest.param(DAY, LATER, Grain.DAY, id="days up to now"),
        pytest.param(DAY, DAY + timedelta(days=1), Grain.DAY, id="a whole day"),
        pytest.param(DAY, DAY + timedelta(hours=9), Grain.MINUTE, id="a morning"),
        pytest.param(DAY + timedelta(hours=1), LATER, Grain.HOUR, id="from one o'clock on"),
        pytest.param(LATER - timedelta(hours=1), LATER, Grain.MINUTE, id="the last hour"),
    ],
)
def test_period_is_summed_from_the_coarsest_sums_that_are_exact(
    since: datetime, until: datetime, grain: Grain
) -> None:
    assert rules.grain_for(since, until, LATER) == grain


def test_sums_of_whole_days_hold_their_last_moment_and_not_the_next_days_first(
    acme: Project,
) -> None:
    midnight = clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    for apart_ms, cost in ((-86_400_000, 1), (-1, 2), (0, 4)):
        moment = midnight + timedelta(milliseconds=apart_ms)
        record(acme, request_id=request_id(at=moment.timestamp()), cost=cost)

    def cost_of(since: datetime, until: datetime | None = None) -> int:
        return selectors.totals(project=acme, wanted=Filter(since=since, until=until)).cost

    yesterday = midnight - timedelta(days=1)
    assert (cost_of(yesterday), cost_of(yesterday, midnight), cost_of(midnight)) == (7, 3, 4)


def test_empty_project_has_zeros_not_nothing(acme: Project) -> None:
    totals = selectors.totals(project=acme, wanted=Filter())

    assert (totals.requests, totals.tokens_in, totals.ttft_p95_ms) == (0, 0, None)
    assert selectors.series(project=acme, wanted=Filter(), step="hour") == []


def test_nonsense_cursor_starts_anew() -> None:
    assert [cursor_from(text) for text in ("", "x", "%%%", "bm8")] == [None] * 4


# ── What a failure is, and what is a time to first token ───────────────────────────────

ENDS = [
    (status, ending)
    for status in (0, 200, 399, 400, 499, 502)
    for ending in ("complete", "caller_left", "worker_broke", "timeout", "refused", "gateway_lost")
]


def test_failure_is_the_same_thing_in_sql_in_python_and_in_sums(acme: Project) -> None:
    events = [make_event(acme, status=status, ending=ending) for status, ending in ENDS]
    intake.take_in([Arrived("s", f"1-{n}", dump(event)) for n, event in enumerate(events)])

    failed = {event.request_id for event in events if rules.is_failure(event.status, event.ending)}
    listed = selectors.records(project=acme, wanted=Filter(failed_only=True))
    totals = selectors.totals(project=acme, wanted=Filter())

    assert {record.request_id for record in listed} == failed
    assert (totals.failures, totals.left_early) == (len(failed), 6)


def test_caller_that_leaves_has_failed_nobody() -> None:
    assert not rules.is_failure(499, "caller_left")
    assert rules.is_failure(200, "worker_broke")
    assert rules.is_failure(404, "complete")


def test_time_to_first_token_is_of_streams_only(acme: Project) -> None:
    record(acme, 1, streamed=False, ttft_ms=5010.0, latency_ms=5010.0)
    assert selectors.totals(project=acme, wanted=Filter()).ttft_p95_ms is None

    record(acme, 3, streamed=True, ttft_ms=100.0)
    totals = selectors.totals(project=acme, wanted=Filter())
    assert (totals.ttft_p50_ms, totals.ttft_p95_ms, totals.ttft_p99_ms) == (100, 100, 100)


def test_hints_of_the_caller_arrive_with_its_record(acme: Project) -> None:
    record(acme, 1, slo_ttft_ms=250.0, slo_tpot_ms=20.5)

    [found] = selectors.records(project=acme, wanted=Filter())
    assert (found.slo_ttft_ms, found.slo_tpot_ms) == (250.0, 20.5)


def test_sums_that_were_dropped_are_not_asked_for() -> None:
    now = datetime(2026, 3, 31, 12, tzinfo=UTC)
    old, until = datetime(2026, 3, 1, 10, 30, tzinfo=UTC), datetime(2026, 3, 2, 10, tzinfo=UTC)

    assert rules.grain_for(old, until, now) == Grain.HOUR
    assert rules.grain_for(now - timedelta(hours=30), now, now) == Grain.MINUTE
    years = timedelta(days=500)
    assert rules.grain_for(old - years, until - years, now) == Grain.DAY


def test_page_that_ends_within_a_millisecond_skips_and_repeats_nobody(acme: Project) -> None:
    start = time.time() - 60
    events = [make_event(acme, request_id=request_id(at=start)) for _ in range(7)]
    intake.take_in([Arrived("s", f"1-{n}", dump(event)) for n, event in enumerate(events)])

    seen: list[str] = []
    after: Cursor | None = None
    for _ in range(7):
        rows, after = selectors.page(project=acme, wanted=Filter(), after=after, limit=2)
        seen += [row.request_id for row in rows]
        if after is None:
            break
        after = cursor_from(after.text())

    assert sorted(seen) == sorted(event.request_id for event in events)
