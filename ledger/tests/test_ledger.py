"""A ledger is written once; a balance is the sum of its entries."""

from __future__ import annotations

import hashlib
import hmac
import json
import time

import pytest
from django.db import IntegrityError, connection, transaction
from rest_framework.test import APIClient

from audit.models import AuditEntry
from common.models import OutboxEntry
from common.money import figure
from ledger import selectors, services
from ledger.errors import AmountMalformed, PaymentUnverified
from ledger.models import LedgerEntry
from ledger.payments import Stripe
from projects.models import Project

SECRET = "whsec_test"


def test_balance_is_the_sum_of_the_entries(acme: Project, rival: Project) -> None:
    services.top_up(project=acme, amount=5_000_000)
    services.refund(project=acme, amount=250_000, note="an outage")
    services.adjust(project=acme, amount=-1_000_000, note="entered twice")
    services.top_up(project=rival, amount=1)

    account = selectors.account_of(project=acme)

    assert (account.granted, account.spent, account.balance) == (4_250_000, 0, 4_250_000)


@pytest.mark.parametrize("sql", ["UPDATE ledger_ledgerentry SET amount = 1", "DELETE FROM {t}"])
def test_entry_is_never_changed_or_deleted(acme: Project, sql: str) -> None:
    services.top_up(project=acme, amount=5)

    with (
        pytest.raises(IntegrityError, match="never changed or deleted"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(sql.format(t="ledger_ledgerentry"))

    assert LedgerEntry.objects.get().amount == 5


@pytest.mark.parametrize("amount", [0, -1, 10**16])
def test_amount_that_is_no_credit_is_refused_and_nothing_is_written(
    acme: Project, amount: int
) -> None:
    with pytest.raises(AmountMalformed):
        services.top_up(project=acme, amount=amount)

    assert not LedgerEntry.objects.exists()
    assert not OutboxEntry.objects.exists()


def test_movement_is_announced_and_audited(acme: Project) -> None:
    services.top_up(project=acme, amount=5, note="welcome")

    assert OutboxEntry.objects.get().topic == "ledger"
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.after["amount"]) == ("ledger.top_up", 5)


def test_payment_told_twice_counts_once(acme: Project) -> None:
    first = services.top_up(project=acme, amount=5, reference="stripe:cs_1")
    again = services.top_up(project=acme, amount=5, reference="stripe:cs_1")

    assert first == again
    assert selectors.account_of(project=acme).balance == 5
    assert (AuditEntry.objects.count(), OutboxEntry.objects.count()) == (1, 1)


@pytest.mark.parametrize(
    ("micro", "shown"),
    [
        (0, "0.00"),
        (12_640_000, "12.64"),
        (-500_000, "-0.50"),
        (1, "0.000001"),
        (10**12, "1,000,000.00"),
    ],
)
def test_amounts_are_said_exactly(micro: int, shown: str) -> None:
    assert figure(micro) == shown


def notice(project: str, *, at: float | None = None, secret: str = SECRET) -> tuple[bytes, str]:
    session = {
        "id": "cs_test_1",
        "amount_total": 2500,
        "client_reference_id": project,
        "payment_status": "paid",
        "currency": "usd",
    }
    body = json.dumps({"type": "checkout.session.completed", "data": {"object": session}}).encode()
    moment = str(int(time.time() if at is None else at))
    digest = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    return body, f"t={moment},v1={digest}"


def test_signed_payment_is_credited_once(acme: Project, settings: pytest.FixtureRequest) -> None:
    settings.STRIPE_WEBHOOK_SECRET = SECRET  # type: ignore[attr-defined] # why: pytest-django's
    body, signature = notice(acme.public_id)

    answers = [
        APIClient().post(
            "/api/payments/notice",
            body,
            content_type="application/json",
            headers={"Stripe-Signature": signature},
        )
        for _ in range(2)
    ]

    assert [answer.status_code for answer in answers] == [204, 204]
    assert selectors.account_of(project=acme).balance == 25_000_000


def test_payments_are_off_until_a_provider_is_set_up(acme: Project) -> None:
    body, signature = notice(acme.public_id)

    answer = APIClient().post(
        "/api/payments/notice",
        body,
        content_type="application/json",
        headers={"Stripe-Signature": signature},
    )

    assert answer.json()["error"]["code"] == "payments_off"
    assert not LedgerEntry.objects.exists()


@pytest.mark.parametrize(
    "forged",
    [
        pytest.param({"secret": "other"}, id="another secret"),
        pytest.param({"at": time.time() - 301}, id="too old"),
    ],
)
def test_forged_or_old_payment_is_refused(forged: dict[str, object]) -> None:
    body, signature = notice("proj_x", **forged)  # type: ignore[arg-type] # why: one of two

    with pytest.raises(PaymentUnverified):
        Stripe(SECRET).read(body, signature)


def test_changed_body_is_refused() -> None:
    body, signature = notice("proj_x")

    with pytest.raises(PaymentUnverified):
        Stripe(SECRET).read(body.replace(b"2500", b"9900"), signature)
