"""Own machines are paid by the started hour: each once, on the terms then in force."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from agents.models import Worker, WorkerShift, WorkerState
from agents.services import resume_worker, retire_worker, suspend_worker
from catalog.services import set_terms
from common import clock
from ledger import selectors
from ledger.agent_hours import bill_agent_hours
from ledger.models import LedgerEntry
from ledger.rules import started_hours
from ledger.services import top_up
from projects.models import Project
from tests.make import make_tier, make_worker

pytestmark = pytest.mark.django_db

START = datetime(2026, 11, 30, 22, 40, tzinfo=UTC)
PRICE = 27_400
MINUTE = timedelta(minutes=1)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """Return a list whose one item is the present."""
    present = [START]
    monkeypatch.setattr(clock, "now", lambda: present[0])
    make_tier("self_hosted")
    return present


def hours_in_ledger(project: Project) -> Counter[datetime]:
    rows = LedgerEntry.objects.filter(project=project, kind="agent_hours")
    return Counter(row.started_at for row in rows if row.started_at)


def test_each_started_hour_of_a_live_own_machine_is_charged_once(
    acme: Project, time: list[datetime]
) -> None:
    top_up(project=acme, amount=1_000_000)
    make_worker(project=acme)

    for _ in range(200):
        time[0] += MINUTE
        bill_agent_hours()

    # 22:40 to 02:00: the hours of 22, 23, 0 and 1 were begun; that of 2 was not.
    assert len(hours_in_ledger(acme)) == 4
    assert selectors.account_of(project=acme).balance == 1_000_000 - 4 * PRICE


def test_job_that_missed_days_or_runs_twice_ends_with_the_same_rows(
    acme: Project, rival: Project, time: list[datetime]
) -> None:
    """Against a count minute by minute, with machines that come and go by chance."""
    chance, expected = random.Random(7), Counter[tuple[int, datetime]]()
    top_up(project=acme, amount=10**12)
    top_up(project=rival, amount=10**12)
    workers = [make_worker(project=chance.choice([acme, rival])) for _ in range(4)]
    live = set(workers)

    for _ in range(1_500):
        if chance.random() < 0.02:
            worker = chance.choice(workers)
            (suspend_worker if worker in live else resume_worker)(worker=worker)
            live ^= {worker}
        for worker in live:
            expected[worker.pk, time[0].replace(minute=0)] = 1
        if chance.random() < 0.003:
            bill_agent_hours()
        time[0] += MINUTE
    time[0] -= MINUTE
    bill_agent_hours()
    bill_agent_hours()

    for project in (acme, rival):
        owned = {worker.pk for worker in workers if worker.project_id == project.pk}
        hours = Counter(hour for pk, hour in expected if pk in owned)
        assert hours_in_ledger(project) == hours
        spent = 10**12 - selectors.account_of(project=project).balance
        assert spent == PRICE * hours.total()


def test_hour_is_charged_on_the_terms_in_force_when_it_began(
    acme: Project, time: list[datetime]
) -> None:
    top_up(project=acme, amount=1_000_000)
    make_worker(project=acme)
    numbers = {"concurrent": 1, "request_timeout_s": 1, "idle_timeout_s": 1, "priority": 1}
    set_terms(
        tier=make_tier("self_hosted"),
        numbers={**numbers, "price_per_agent_hour": 50_000},
        effective_from=START + timedelta(minutes=30),
    )

    time[0] += timedelta(hours=2)
    bill_agent_hours()

    amounts = LedgerEntry.objects.filter(kind="agent_hours").order_by("started_at")
    assert list(amounts.values_list("amount", flat=True)) == [-PRICE, -PRICE, -50_000]


def test_balance_that_is_used_up_suspends_the_machines_instead_of_growing_a_debt(
    acme: Project, time: list[datetime]
) -> None:
    top_up(project=acme, amount=PRICE)
    worker = make_worker(project=acme)

    for _ in range(48):
        bill_agent_hours()
        time[0] += timedelta(hours=1)

    worker.refresh_from_db()
    assert worker.state == WorkerState.SUSPENDED
    assert selectors.account_of(project=acme).balance == -PRICE


def test_shared_and_retired_machines_are_charged_to_nobody(
    acme: Project, time: list[datetime]
) -> None:
    make_worker()
    worker = make_worker(project=acme)
    retire_worker(worker=worker)
    bill_agent_hours()
    time[0] += timedelta(days=3)

    bill_agent_hours()

    assert Worker.objects.count() == 2
    assert WorkerShift.objects.count() == 1
    assert sum(hours_in_ledger(acme).values()) == 1


def test_hour_that_was_only_begun_counts_and_one_that_was_billed_does_not() -> None:
    def hour(number: int) -> datetime:
        return datetime(2026, 11, 30, number, tzinfo=UTC)

    ten = hour(10) + 5 * MINUTE
    assert list(started_hours(ten, ten)) == [hour(10)]
    assert list(started_hours(ten, hour(11))) == [hour(10)]
    assert list(started_hours(ten, hour(11) + MINUTE)) == [hour(10), hour(11)]
    assert list(started_hours(ten, hour(12) + MINUTE, hour(12))) == [hour(12)]
    assert list(started_hours(ten, hour(12), hour(12))) == []
