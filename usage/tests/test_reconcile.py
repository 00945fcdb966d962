"""All books are read at once, as far back as each is kept."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from common import clock
from inference.contracts.entries import dump
from projects.models import Project
from tests.make import make_event, request_id
from usage import intake, reconcile, rollups, selectors
from usage.intake import Arrived
from usage.models import UsageRollup
from usage.selectors import Filter

EVER = (datetime(2020, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC))
HOUR_S = 3600


def take(project: Project, hours_ago: float = 0, **said: object) -> None:
    moment = time.time() - hours_ago * HOUR_S
    event = make_event(project, request_id=request_id(at=moment), **said)
    intake.take_in([Arrived("s", "1-1", dump(event))])


def test_books_are_read_in_one_statement_so_that_none_is_ahead_of_another(acme: Project) -> None:
    take(acme)

    with CaptureQueriesContext(
        connection,
    ) as asked:
        assert [len(day.books) for day in reconcile.days(*EVER)] == [6]

    assert len(asked) == 1


def test_sums_that_are_no_longer_kept_are_neither_compared_nor_shown(acme: Project) -> None:
    take(acme, hours_ago=20 * 24, cost=30)
    take(acme, hours_ago=500 * 24, cost=12)
    rollups.forget_old()

    old, recent = reconcile.days(*EVER)

    assert [book.requests for book in old.books] == [1, None, None, None, 1, 1]
    assert [book.requests for book in recent.books] == [1, None, None, 1, 1, 1]
    assert list(reconcile.differences(*EVER)) == []
    call_command("reconcile")


@pytest.mark.parametrize("days_ago", [0, 20, 500])
def test_totals_of_a_day_are_shown_whatever_has_been_dropped_since(
    acme: Project, days_ago: int
) -> None:
    take(acme, hours_ago=days_ago * 24, cost=30)
    rollups.forget_old()
    begins = (clock.now() - timedelta(days=days_ago)).replace(
        hour=0, minute=0, second=0, microsecond=0
    )

    shown = selectors.totals(
        project=acme, wanted=Filter(since=begins, until=begins + timedelta(days=1))
    )

    assert (shown.requests, shown.cost) == (1, 30)
    assert UsageRollup.objects.exists()
