"""An amount always has a unit: what is paid, what is shown, and what is kept from mixing."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.test import APIClient

from common import money
from common.currencies import exponent_of
from ledger import selectors, services
from ledger.errors import AmountMalformed
from ledger.models import LedgerEntry, UnmatchedPayment
from projects.models import Project

SECRET = "whsec_test"


@pytest.fixture(autouse=True)
def payments(settings: Any) -> None:
    settings.STRIPE_WEBHOOK_SECRET = SECRET


def tell(project: str, **said: Any) -> Any:
    """Tell of a payment as Stripe does, signed; return the answer."""
    session = {
        "id": "cs_test_1",
        "amount_total": 1000,
        "currency": "usd",
        "client_reference_id": project,
        "payment_status": "paid",
        **said,
    }
    body = json.dumps({"type": "checkout.session.completed", "data": {"object": session}})
    moment = int(time.time())
    digest = hmac.new(SECRET.encode(), f"{moment}.{body}".encode(), hashlib.sha256).hexdigest()
    return APIClient().post(
        "/api/payments/notice",
        body,
        content_type="application/json",
        headers={"Stripe-Signature": f"t={moment},v1={digest}"},
    )


def test_cents_become_micro_units(acme: Project) -> None:
    assert tell(acme.public_id).status_code == 204

    assert selectors.account_of(project=acme).balance == 10_000_000


@pytest.mark.parametrize(
    ("ours", "minor", "units"), [("JPY", 1000, 1000), ("EUR", 1000, 10), ("KWD", 1000, 1)]
)
def test_each_currency_is_counted_by_its_own_smallest_unit(
    acme: Project, settings: Any, ours: str, minor: int, units: int
) -> None:
    settings.CURRENCY = ours
    tell(acme.public_id, currency=ours.lower(), amount_total=minor)

    assert selectors.account_of(project=acme).balance == units * money.UNIT


@pytest.mark.parametrize("currency", ["jpy", "idr", "eur", "xyz"])
def test_payment_in_another_currency_credits_nobody_and_is_kept(
    acme: Project, currency: str
) -> None:
    answers = [tell(acme.public_id, currency=currency) for _ in range(2)]

    assert {answer.status_code for answer in answers} == {204}
    assert not LedgerEntry.objects.exists()
    kept = UnmatchedPayment.objects.get()
    assert (kept.project, kept.minor, kept.currency) == (acme.public_id, 1000, currency.upper())
    assert kept.reference == "stripe:cs_test_1"


def test_payment_for_nobody_we_know_is_kept_too(db: None) -> None:
    assert tell("proj_Nobody").status_code == 204
    assert UnmatchedPayment.objects.get().reason == "no such project"


@pytest.mark.parametrize(
    "said",
    [
        {"amount_total": 0},
        {"amount_total": -5},
        {"amount_total": "1000"},
        {"amount_total": None},
        {"amount_total": 10.5},
        {"currency": None, "amount_total": 0},
    ],
)
def test_payment_of_nothing_or_of_nonsense_is_refused_at_the_door(
    acme: Project, said: dict[str, Any]
) -> None:
    answer = tell(acme.public_id, **said)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "payment_malformed")
    assert not LedgerEntry.objects.exists()
    assert not UnmatchedPayment.objects.exists()


Move = Callable[..., LedgerEntry]


@pytest.mark.parametrize("move", [services.top_up, services.refund])
def test_only_an_adjustment_takes_away_and_nothing_is_beyond_bounds(
    acme: Project, move: Move
) -> None:
    for amount in (0, -1, services.MOST + 1):
        with pytest.raises(AmountMalformed) as refused:
            move(project=acme, amount=amount, note="n")
        assert refused.value.param == "amount"

    assert move(project=acme, amount=services.MOST, note="n").amount == services.MOST
    assert move(project=acme, amount=1, note="n").amount == 1


def test_adjustment_goes_both_ways_but_never_nowhere(acme: Project) -> None:
    for amount in (0, services.MOST + 1, -services.MOST - 1):
        with pytest.raises(AmountMalformed) as refused:
            services.adjust(project=acme, amount=amount, note="n")
        assert refused.value.param == "amount"

    for amount in (1, -1, services.MOST, -services.MOST):
        assert services.adjust(project=acme, amount=amount, note="n").amount == amount


@pytest.mark.parametrize(
    ("micro", "code", "shown"),
    [
        (12_640_000, "USD", "$12.64"),
        (-500_000, "USD", "−$0.50"),
        (1, "EUR", "€0.000001"),
        (1_234_500_000, "CHF", "1,234.50 CHF"),
    ],
)
def test_amount_is_said_exactly_and_with_its_currency(
    settings: Any, micro: int, code: str, shown: str
) -> None:
    settings.CURRENCY = code
    assert money.money(micro) == shown


@given(st.integers(min_value=0, max_value=10**18))
def test_rounded_amount_is_never_off_by_more_than_half_a_place(micro: int) -> None:
    shown = money.rounded(micro, 4).removeprefix("$").replace(",", "")
    whole, _, places = shown.partition(".")

    assert abs(int(whole) * money.UNIT + int(places) * 100 - micro) <= 50


def test_currency_nobody_knows_is_refused() -> None:
    for code in ("usd", "XXX", "", "DOLLAR"):
        with pytest.raises(ValueError, match="is no currency"):
            exponent_of(code)
