"""Usage by page: what is counted, filtered, and how one gets to the rest."""

from __future__ import annotations

import csv
import itertools
import time
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from accounts.models import User
from dashboard.shell import charts
from dashboard.tests.cast import signed_in, used
from projects.models import Project
from tests.make import make_key, request_id

NOON = datetime(2026, 3, 4, 12, 34, 56, tzinfo=UTC)


@pytest.fixture
def page(ada: User) -> Client:
    return signed_in(ada)


def url(project: Project) -> str:
    return f"/dashboard/{project.public_id}/usage/"


def test_page_holds_only_our_records(page: Client, acme: Project, rival: Project) -> None:
    ours = used(acme, tokens_in=12, tokens_out=8)
    used(rival, tokens_in=5000, tokens_out=7000)

    shown = page.get(url(acme)).context["page"]

    assert [row.request_id for row in shown.records] == [ours.request_id]
    assert (shown.totals.requests, shown.totals.tokens_in, shown.totals.tokens_out) == (1, 12, 8)


def test_filters_live_in_the_address(page: Client, acme: Project) -> None:
    key = make_key(acme, name="ci").key
    wanted = used(acme, endpoint="chat", key_id=key.public_id, status=502, ending="worker_broke")
    used(acme, endpoint="chat", key_id=key.public_id)
    used(
        acme,
        endpoint="other",
        endpoint_id="ep_other",
        key_id=key.public_id,
        status=502,
        ending="worker_broke",
    )
    used(acme, endpoint="chat", status=502, ending="worker_broke")

    answer = page.get(url(acme), {"endpoint": "chat", "key": key.public_id, "failed": "1"})

    shown = answer.context["page"]
    assert [(row.request_id, row.key) for row in shown.records] == [(wanted.request_id, "ci")]
    assert shown.totals.requests == 1
    assert shown.is_filtered


def test_more_records_follow_without_gap_or_repeat(page: Client, acme: Project) -> None:
    made = {used(acme).request_id for _ in range(51)}

    first = page.get(url(acme)).context["page"]
    second = page.get(first.more_url).context["page"]

    seen = [row.request_id for row in (*first.records, *second.records)]
    assert (len(first.records), len(second.records)) == (50, 1)
    assert set(seen) == made
    assert second.more_url == ""


def test_nonsense_in_the_address_is_the_first_page(page: Client, acme: Project) -> None:
    made = used(acme)

    answer = page.get(url(acme), {"after": "%%%", "range": "century"})

    assert [row.request_id for row in answer.context["page"].records] == [made.request_id]


def test_older_records_are_outside_a_short_range(page: Client, acme: Project) -> None:
    used(acme, request_id=request_id(time.time() - 3 * 3600))

    hour = page.get(url(acme), {"range": "1h"})
    day = page.get(url(acme), {"range": "24h"})

    assert not hour.context["page"].records
    assert "Nothing matches" in hour.content.decode()
    assert len(day.context["page"].records) == 1


def test_model_is_a_filter_in_the_address(page: Client, acme: Project) -> None:
    wanted = used(acme, model="o3")
    used(acme, model="o4")

    shown = page.get(url(acme), {"model": "o3"}).context["page"]

    assert [row.request_id for row in shown.records] == [wanted.request_id]
    assert "model=o3" in shown.ranges[0].url


def test_export_holds_what_the_filters_in_force_mean(page: Client, acme: Project) -> None:
    key = make_key(acme, name="ci").key
    said = {"endpoint": "chat", "key_id": key.public_id, "model": "o3", "status": 502}
    wanted = used(acme, ending="worker_broke", **said)
    for other in ({"endpoint": "x"}, {"key_id": "key_y"}, {"model": "z"}, {"status": 200}):
        ending = "complete" if "status" in other else "worker_broke"
        used(acme, **{**said, **other}, ending=ending)

    filters = {"endpoint": "chat", "key": "ci", "model": "o3", "failed": "1"}
    shown = page.get(url(acme), filters)
    export = page.get(shown.context["page"].export_url)

    rows = list(csv.DictReader(b"".join(export).decode().splitlines()))
    assert [row["request_id"] for row in rows] == [wanted.request_id]
    assert "attachment" in export["Content-Disposition"]
    assert "usage/export?format=csv" in shown.content.decode()


def test_request_says_how_its_tokens_were_counted(page: Client, acme: Project) -> None:
    made = used(acme, source="estimated", ending="caller_left")

    shown = page.get(url(acme) + f"{made.request_id}/").content.decode()

    assert "estimated from what was relayed" in shown
    assert "The caller closed the connection" in shown


@pytest.mark.parametrize(
    ("name", "count", "last"),
    [
        pytest.param("1h", 60, datetime(2026, 3, 4, 12, 34, tzinfo=UTC), id="minutes"),
        pytest.param("24h", 24, datetime(2026, 3, 4, 12, tzinfo=UTC), id="hours"),
        pytest.param("7d", 168, datetime(2026, 3, 4, 12, tzinfo=UTC), id="hours of a week"),
        pytest.param("30d", 30, datetime(2026, 3, 4, tzinfo=UTC), id="days"),
    ],
)
def test_chart_has_a_point_for_every_step(name: str, count: int, last: datetime) -> None:
    steps = charts.steps_of(charts.range_named(name), NOON)

    assert (len(steps), steps[-1]) == (count, last)
    assert len({after - before for before, after in itertools.pairwise(steps)}) == 1


def test_step_nobody_counted_is_zero() -> None:
    steps = [NOON, NOON + timedelta(hours=1), NOON + timedelta(hours=2)]

    chart = charts.chart_of("c", "A chart", steps, (charts.Line("Requests", "main", {NOON: 3}),))

    assert chart.figures["series"] == [[3, 0, 0]]
    assert [row.values for row in chart.rows] == [(0,), (0,), (3,)]
