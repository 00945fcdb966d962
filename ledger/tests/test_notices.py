"""Notices of payments: believed when the provider signed them lately, and refused in words."""

from __future__ import annotations

import hashlib
import hmac
import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from audit.models import AuditEntry
from common.models import OutboxEntry
from ledger import payments, selectors, services
from ledger.errors import AmountMalformed, PaymentMalformed, PaymentUnverified
from ledger.models import LedgerEntry, UnmatchedPayment
from ledger.payments import TOLERANCE_S, Payment, Stripe
from projects.models import Project

SECRET = "whsec_test"
NOW = 1_800_000_000


def notice(**said: Any) -> bytes:
    session = {
        "id": "cs_1",
        "amount_total": 2500,
        "currency": "usd",
        "payment_status": "paid",
        "client_reference_id": "proj_a",
    } | said
    return json.dumps({"type": "checkout.session.completed", "data": {"object": session}}).encode()


def signed(body: bytes, moment: object = NOW, secret: str = SECRET) -> str:
    text = f"{moment}.".encode() + body
    return hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()


def read(body: bytes, signature: str) -> Payment | None:
    return Stripe(SECRET, now=NOW).read(body, signature)


def test_signed_notice_is_a_payment() -> None:
    body = notice()

    assert read(body, f"t={NOW},v1={signed(body)}") == Payment("proj_a", 2500, "USD", "stripe:cs_1")


def test_any_of_several_signatures_will_do_while_a_secret_is_changed() -> None:
    body = notice()

    assert read(body, f"t={NOW},v1={'0' * 64},v1={signed(body)},v0=old") is not None


@pytest.mark.parametrize("age", [TOLERANCE_S, -TOLERANCE_S, 0])
def test_notice_is_believed_for_five_minutes_either_way(age: int) -> None:
    body, moment = notice(), NOW - age

    assert read(body, f"t={moment},v1={signed(body, moment)}") is not None


@pytest.mark.parametrize("age", [TOLERANCE_S + 1, -TOLERANCE_S - 1])
def test_notice_of_another_time_is_not(age: int) -> None:
    body, moment = notice(), NOW - age

    with pytest.raises(PaymentUnverified):
        read(body, f"t={moment},v1={signed(body, moment)}")


@pytest.mark.parametrize(
    "moment", ["", "x", "-1", "1.5", "²", "١٨", "9" * 5000, f" {NOW}"], ids=lambda one: one[:8]
)
def test_moment_that_is_none_is_refused_although_signed(moment: str) -> None:
    body = notice()

    with pytest.raises(PaymentUnverified):
        read(body, f"t={moment},v1={signed(body, moment)}")


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "t",
        f"t={NOW}",
        f"v1={'0' * 64}",
        f"t={NOW},v1=",
        f"t={NOW},v1={'0' * 64}",
        f"t={NOW},v1=ünsigned",
        f"t={NOW},v1={'é' * 64}",
        ",,,===",
    ],
)
def test_signature_of_nobodys_is_refused_whatever_its_letters(signature: str) -> None:
    with pytest.raises(PaymentUnverified, match="not signed"):
        read(notice(), signature)


def test_signature_of_another_secret_or_scheme_is_refused() -> None:
    body = notice()

    for signature in (f"v1={signed(body, secret='other')}", f"v0={signed(body)}"):
        with pytest.raises(PaymentUnverified):
            read(body, f"t={NOW},{signature}")


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"type": "invoice.paid", "data": {}}).encode(),
        b"{}",
        notice(payment_status="unpaid"),
        notice(payment_status=None),
    ],
)
def test_notice_of_something_else_is_no_payment_and_no_fault(body: bytes) -> None:
    assert read(body, f"t={NOW},v1={signed(body)}") is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'"x"',
        b'{"type": "checkout.session.completed"}',
        notice(amount_total=0),
        notice(amount_total=-1),
        notice(amount_total="2500"),
        notice(amount_total=25.5),
        notice(amount_total=None),
    ],
    ids=lambda one: one[:20].decode(),
)
def test_signed_nonsense_is_refused_and_does_not_break(body: bytes) -> None:
    with pytest.raises(PaymentMalformed):
        read(body, f"t={NOW},v1={signed(body)}")


def test_least_payment_is_one() -> None:
    body = notice(amount_total=1)

    paid = read(body, f"t={NOW},v1={signed(body)}")

    assert paid is not None
    assert (paid.minor, paid.amount) == (1, 10_000)


@pytest.mark.django_db
def test_payment_that_fits_is_credited_once_and_nothing_is_set_aside(acme: Project) -> None:
    paid = Payment(acme.public_id, 2500, "USD", "stripe:cs_1")

    first, second = payments.take(paid), payments.take(paid)

    assert first is not None
    assert first == second
    assert (first.kind, first.amount, first.note) == ("top_up", 25_000_000, "Payment")
    assert not UnmatchedPayment.objects.exists()


@pytest.mark.django_db
def test_names_longer_than_their_columns_lose_no_payment(caplog: pytest.LogCaptureFixture) -> None:
    payments.take(Payment("p" * 100, 2500, "DOLLARS-OLD", "stripe:cs_1"))

    row = UnmatchedPayment.objects.get()
    assert (row.project, row.currency, row.minor) == ("p" * 64, "DOLLARS-", 2500)
    assert "payment stripe:cs_1 was set aside: paid in DOLLARS-OLD" in caplog.text


@pytest.mark.parametrize("name", [None, "", 7])
def test_payment_that_names_no_project_is_still_a_payment(name: object) -> None:
    body = notice(client_reference_id=name)

    paid = read(body, f"t={NOW},v1={signed(body)}")

    assert paid is not None
    assert paid.project_public_id == str(name or "")


@pytest.mark.django_db
def test_payment_that_fits_nobody_is_set_aside_once_whole(acme: Project) -> None:
    foreign = Payment(acme.public_id, 2500, "EUR", "stripe:cs_1")
    lost = Payment("proj_gone", 990, "USD", "stripe:cs_2")

    assert [payments.take(one) for one in (foreign, foreign, lost)] == [None, None, None]

    rows = UnmatchedPayment.objects.order_by("reference")
    assert [(row.project, row.minor, row.currency, row.reason) for row in rows] == [
        (acme.public_id, 2500, "EUR", "paid in EUR, not in USD"),
        ("proj_gone", 990, "USD", "no such project"),
    ]
    assert not LedgerEntry.objects.exists()


@pytest.mark.django_db
def test_movements_add_up_to_the_balance_each_with_its_reason(acme: Project) -> None:
    services.top_up(project=acme, amount=5_000_000, note="Card")
    services.refund(project=acme, amount=1_000_000, note="An outage")
    services.adjust(project=acme, amount=-2_000_000, note="A mistake")

    assert selectors.account_of(project=acme).balance == 4_000_000
    assert selectors.granted_to(project=acme).amount == 4_000_000
    kinds = [(row.kind, row.note) for row in selectors.movements_of(project=acme)]
    assert kinds == [("adjustment", "A mistake"), ("refund", "An outage"), ("top_up", "Card")]
    actions = AuditEntry.objects.filter(object_kind="ledger_entry").order_by("id")
    assert [row.action for row in actions] == [
        "ledger.top_up",
        "ledger.refund",
        "ledger.adjustment",
    ]


@pytest.mark.django_db
@pytest.mark.parametrize("amount", [0, -1, services.MOST + 1])
def test_amount_nobody_could_give_moves_nothing(acme: Project, amount: int) -> None:
    with pytest.raises(AmountMalformed):
        services.top_up(project=acme, amount=amount)
    with pytest.raises(AmountMalformed):
        services.refund(project=acme, amount=amount, note="x")

    assert not LedgerEntry.objects.exists()


@pytest.mark.django_db
def test_adjustment_with_a_reference_moves_money_once_and_is_told_once(acme: Project) -> None:
    told = OutboxEntry.objects.filter(topic="ledger").count()

    entries = [
        services.adjust(project=acme, amount=-services.MOST, note="x", reference="fix:1")
        for _ in range(2)
    ]

    assert entries[0] == entries[1]
    assert OutboxEntry.objects.filter(topic="ledger").count() == told + 1
    assert selectors.account_of(project=acme).balance == -services.MOST


def grant(*said: str) -> str:
    out = StringIO()
    call_command("credit", *said, stdout=out)
    return out.getvalue().strip()


@pytest.mark.django_db
def test_operator_grants_credit_by_slug_or_id(acme: Project) -> None:
    assert grant("acme", "25") == "acme has $25.00 now."
    assert grant(acme.public_id, "0.50", "--note", "A gift") == "acme has $25.50 now."
    assert selectors.movements_of(project=acme)[0].note == "A gift"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("project", "amount", "says"),
    [
        ("nobody", "5", "There is no project 'nobody'."),
        ("acme", "much", "'much' is no amount."),
        ("acme", "nan", "'nan' is no amount."),
        ("acme", "inf", "'inf' is no amount."),
        ("acme", "1e999999", "'1e999999' is no amount."),
        ("acme", "0", "above zero"),
        ("acme", "0.0000001", "above zero"),
        ("acme", "1e10", "above zero"),
    ],
)
def test_command_that_grants_nothing_says_why(
    acme: Project, project: str, amount: str, says: str
) -> None:
    with pytest.raises(CommandError, match=says):
        grant(project, amount)

    assert not LedgerEntry.objects.exists()
