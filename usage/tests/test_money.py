"""Every request is charged once, and every book says the same."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.core import mail
from django.db import connection

from inference.contracts.entries import dump
from inference.contracts.events import UsageEvent
from inference.contracts.money import cost_of
from ledger import selectors as ledger
from ledger.models import LedgerEntry
from projects.models import Project
from tests.make import make_event, make_tier, request_id
from usage import budgets, intake, reconcile, rerate, rollups, selectors, standings
from usage.intake import Arrived
from usage.models import BudgetNotice, UsageRecord, UsageRollup
from usage.selectors import Filter

PERIOD = (datetime(2020, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC))


def take(*events: UsageEvent, kind: str = "settle") -> None:
    batch = [Arrived("s", f"{n}-1", dump(event), kind) for n, event in enumerate(events)]
    intake.take_in(batch)


def sums(project: Project) -> list[tuple[object, ...]]:
    columns = ("grain", "at", "endpoint_id", "key_id", "requests", "failures")
    rows = UsageRollup.objects.filter(project=project).exclude(requests=0, cost=0)
    return sorted(rows.values_list(*columns, "tokens_in", "tokens_out", "cost"))


def test_record_charge_and_rollups_come_together(acme: Project) -> None:
    take(make_event(acme, cost=30), make_event(acme, cost=12))

    assert sorted(LedgerEntry.objects.values_list("amount", flat=True)) == [-30, -12]
    assert ledger.account_of(project=acme).balance == -42
    shown = selectors.totals(project=acme, wanted=Filter())
    assert (shown.requests, shown.cost, shown.tokens_in) == (2, 42, 24)
    assert list(reconcile.differences(*PERIOD)) == []


def test_repeated_event_is_charged_once(acme: Project) -> None:
    event = make_event(acme, cost=30)

    take(event, event)
    take(event)

    assert LedgerEntry.objects.count() == 1
    assert selectors.totals(project=acme, wanted=Filter()).requests == 1
    assert list(reconcile.differences(*PERIOD)) == []


def test_free_request_moves_no_money_but_is_recorded(acme: Project) -> None:
    take(make_event(acme, cost=0))

    assert not LedgerEntry.objects.exists()
    assert UsageRecord.objects.count() == 1


def test_amendment_replaces_the_estimate_and_charges_the_difference(acme: Project) -> None:
    estimate = make_event(
        acme, cost=100, tokens_out=256, ending="gateway_lost", source="estimated", status=0
    )
    real = replace(
        estimate, cost=40, tokens_out=90, ending="complete", source="measured", status=200
    )
    take(estimate)

    take(real, kind="amend")
    take(real, kind="amend")

    record = UsageRecord.objects.get()
    assert (record.source, record.tokens_out, record.cost) == ("measured", 90, 40)
    assert sorted(LedgerEntry.objects.values_list("kind", "amount")) == [
        ("amend", 60),
        ("charge", -100),
    ]
    assert list(reconcile.differences(*PERIOD)) == []


def test_amendment_of_what_never_arrived_is_a_record(acme: Project) -> None:
    take(make_event(acme, cost=40), kind="amend")

    assert UsageRecord.objects.get().cost == 40
    assert LedgerEntry.objects.get().amount == -40


def test_late_event_that_is_known_changes_nothing(acme: Project) -> None:
    event = make_event(acme, cost=30)
    take(event)

    take(event, kind="late")

    assert LedgerEntry.objects.count() == 1


def test_rebuilt_rollups_are_what_they_were(acme: Project, rival: Project) -> None:
    now = time.time()
    take(
        *(
            make_event(
                project,
                request_id=request_id(at=now - hours * 3000),
                cost=hours,
                status=502 if hours % 3 == 0 else 200,
                endpoint_id=f"ep_{hours % 2}",
            )
            for hours in range(40)
            for project in (acme, rival)
        )
    )
    before = sums(acme)

    rollups.rebuild(*PERIOD)

    assert sums(acme) == before
    assert list(reconcile.differences(*PERIOD)) == []


@pytest.mark.parametrize(
    ("tampering", "book"),
    [
        pytest.param("UPDATE usage_record SET cost = cost + 1", "ledger", id="a record's cost"),
        pytest.param("UPDATE usage_record SET tokens_in = 0", "rollups", id="a record's tokens"),
        pytest.param(
            "UPDATE usage_usagerollup SET requests = 0 WHERE grain = 'day'",
            "daily rollups",
            id="a rollup",
        ),
        pytest.param("DELETE FROM usage_record", "ledger", id="a lost record"),
    ],
)
def test_reconcile_finds_what_was_tampered_with(acme: Project, tampering: str, book: str) -> None:
    take(make_event(acme, cost=30))

    with connection.cursor() as cursor:
        cursor.execute(tampering)

    found = list(reconcile.differences(*PERIOD))
    assert any(book in line for line in found)
    assert all(acme.public_id in line for line in found)


def test_both_planes_count_with_one_formula_rounded_up() -> None:
    price = {"price_per_million": 500_000, "cached_percent": 25}

    assert cost_of(1, 0, 0, **price) == 1
    assert cost_of(1_000_000, 1_000_000, 0, **price) == 1_000_000
    assert cost_of(1_000_000, 0, 1_000_000, **price) == 125_000


def test_thresholds_are_told_once_each_a_month(acme: Project) -> None:
    budgets.set_budget(
        project=acme, scope="project", subject_id=acme.public_id, amount=100, is_enforced=True
    )
    take(make_event(acme, cost=80))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django.db.transaction.on_commit", lambda call, **_: call())
        first, second = budgets.notify_thresholds(), budgets.notify_thresholds()
        take(make_event(acme, cost=30))
        third = budgets.notify_thresholds()

    assert (first, second, third) == (2, 0, 2)
    assert sorted(BudgetNotice.objects.values_list("percent", flat=True)) == [50, 75, 90, 100]
    assert [message.to for message in mail.outbox] == [["ada@example.com"]] * 4


def test_budget_of_an_endpoint_counts_only_its_requests(acme: Project) -> None:
    take(
        make_event(acme, cost=80, endpoint_id="ep_1"), make_event(acme, cost=5, endpoint_id="ep_2")
    )
    budgets.set_budget(project=acme, scope="endpoint", subject_id="ep_2", amount=10)

    [standing] = standings.standings(project=acme)

    assert (standing.spent, standing.percent) == (5, 50)


def test_rerating_corrects_once_and_the_books_agree(acme: Project) -> None:
    take(make_event(acme, tier="free", tokens_in=1_000_000, tokens_out=0, cost=9))
    terms = make_tier("cpu_amd_optimized").terms.get()

    [found] = rerate.differences("free", terms, *PERIOD)
    rerate.apply(found, label="free v1")
    rerate.apply(found, label="free v1")

    assert (found.billed, found.corrected, found.due) == (9, 500_000, -499_991)
    assert ledger.account_of(project=acme).balance == -500_000
    assert list(reconcile.differences(*PERIOD)) == []


def test_old_fine_sums_are_dropped_and_days_stay(acme: Project) -> None:
    old = time.time() - timedelta(days=500).total_seconds()
    take(make_event(acme, request_id=request_id(at=old)))

    dropped = rollups.forget_old()

    assert dropped == 2
    assert UsageRollup.objects.get().grain == "day"
