"""Records may go; what they cost, and the sums of their days, stay."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError, connection, connections
from pytest_django import Settings

from common import clock
from inference.contracts.entries import dump
from ledger import selectors as ledger
from projects.models import Project
from tests.make import make_event, request_id
from usage import intake, reconcile, retention, rollups, rules, selectors
from usage.intake import Arrived
from usage.models import UsageRecord
from usage.selectors import Filter
from usage.tasks import forget_old

EVER = (datetime(2020, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC))


def take(project: Project, moment: datetime, cost: int) -> str:
    event = make_event(project, request_id=request_id(at=moment.timestamp()), cost=cost)
    intake.take_in([Arrived("s", "1-1", dump(event))])
    return event.request_id


def make_month(first: datetime) -> str:
    name = f"usage_record_{first:%Y%m}"
    after = rules.months_before(first, -1)
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TABLE {name} PARTITION OF usage_record FOR VALUES FROM (%s) TO (%s)",
            [first, after],
        )
    return name


def months() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(retention._MONTHS)
        return {name for (name,) in cursor.fetchall()}


@pytest.mark.parametrize(
    ("moment", "count", "first"),
    [
        pytest.param(datetime(2026, 11, 23, tzinfo=UTC), 1, "2026-10-01", id="last month"),
        pytest.param(datetime(2026, 1, 31, tzinfo=UTC), 1, "2025-12-01", id="over a year's end"),
        pytest.param(datetime(2026, 3, 31, tzinfo=UTC), 13, "2025-02-01", id="more than a year"),
        pytest.param(datetime(2026, 12, 1, tzinfo=UTC), -1, "2027-01-01", id="ahead"),
    ],
)
def test_months_are_counted_whole(moment: datetime, count: int, first: str) -> None:
    assert f"{rules.months_before(moment, count):%Y-%m-%d}" == first


def test_old_months_are_dropped_and_the_other_books_still_agree(
    acme: Project, settings: Settings
) -> None:
    settings.USAGE_MONTHS = 2
    old, kept = (rules.months_before(clock.now(), count) for count in (3, 2))
    dropped = make_month(old)
    make_month(kept)
    take(acme, old, 30)
    take(acme, rules.months_before(clock.now(), 9), 5)
    stays = take(acme, kept, 12)

    forget_old()
    rollups.rebuild(*EVER)

    assert dropped not in months()
    assert [record.request_id for record in UsageRecord.objects.all()] == [stays]
    assert ledger.account_of(project=acme).balance == -47
    shown = selectors.totals(project=acme, wanted=Filter())
    assert (shown.requests, shown.cost) == (3, 47)
    assert [day.books[0].requests for day in reconcile.days(*EVER)] == [None, None, 1]
    assert list(reconcile.differences(*EVER)) == []


def test_nothing_is_dropped_unless_the_operator_says_so(acme: Project) -> None:
    old = rules.months_before(clock.now(), 40)
    make_month(old)
    take(acme, old, 30)
    before = months()

    forget_old()

    assert months() == before
    assert UsageRecord.objects.count() == 1


@pytest.mark.django_db
def test_months_ahead_are_made_before_anyone_needs_them() -> None:
    intake.ensure_partitions()

    ahead = {f"usage_record_{rules.months_before(clock.now(), -count):%Y%m}" for count in (0, 1, 2)}
    assert ahead <= months()


@pytest.mark.django_db(transaction=True)  # Another connection has to see the table.
def test_busy_table_is_left_for_another_day(settings: Settings) -> None:
    settings.USAGE_MONTHS = 2
    name = make_month(rules.months_before(clock.now(), 3))
    other = connections.create_connection("default")
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM usage_record")
        with pytest.raises(OperationalError, match="lock timeout"):
            retention.drop_old_months()
        assert name in months()
        other.rollback()
    finally:
        other.close()

    assert retention.drop_old_months() == [name]


def test_month_whose_rows_came_before_its_partition_takes_them_along(acme: Project) -> None:
    """The partition would be refused while the catch-all one has rows of its month."""
    first = rules.months_before(clock.now(), -4)
    moments = (first, rules.months_before(first, -1) - timedelta(milliseconds=1))
    early = [take(acme, moment, cost=5) for moment in moments]
    other = take(acme, rules.months_before(first, -1), cost=7)
    assert set(homes().values()) == {"usage_record_rest"}
    books = list(reconcile.differences(*EVER))

    intake.ensure_partitions(4)
    intake.ensure_partitions(4)
    again = take(acme, first, cost=1)

    name = f"usage_record_{first:%Y%m}"
    assert homes() == {
        early[0]: name,
        early[1]: name,
        again: name,
        other: "usage_record_rest",
    }
    assert (books, list(reconcile.differences(*EVER))) == ([], [])
    assert indexes_of(name) == indexes_of("usage_record_rest") >= 4


def homes() -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT request_id, tableoid::regclass::text FROM usage_record")
        return dict(cursor.fetchall())


def indexes_of(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_indexes WHERE tablename = %s", [table])
        [count] = cursor.fetchone()
    return int(count)
