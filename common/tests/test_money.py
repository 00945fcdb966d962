"""Money is counted in whole micro-units and said exactly, whatever the currency."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from common import currencies, money


@pytest.mark.parametrize(
    ("code", "places"),
    [("USD", 2), ("EUR", 2), ("JPY", 0), ("KRW", 0), ("KWD", 3), ("TND", 3), ("ISK", 2)],
)
def test_currency_has_the_places_its_payment_providers_count(code: str, places: int) -> None:
    assert currencies.exponent_of(code) == places


@pytest.mark.parametrize("code", ["", "usd", "DOLLAR", "BTC", "XXX", "US"])
def test_what_is_no_currency_is_refused_with_how_to_write_one(code: str) -> None:
    with pytest.raises(ValueError, match="three letters, such as USD or EUR"):
        currencies.exponent_of(code)


def test_every_currency_is_three_capitals_and_counted_once() -> None:
    lists = (currencies._NO_PLACES, currencies._TWO_PLACES, currencies._THREE_PLACES)
    codes = [code for one in lists for code in one.split()]

    assert len(codes) == len(set(codes))
    assert all(len(code) == 3 and code.isalpha() and code.isupper() for code in codes)


@pytest.mark.parametrize(
    ("minor", "code", "micro"),
    [
        (2500, "USD", 25_000_000),
        (1, "USD", 10_000),
        (2500, "JPY", 2_500_000_000),
        (2500, "KWD", 2_500_000),
        (0, "EUR", 0),
        (10**13, "EUR", 10**17),
    ],
)
def test_smallest_units_become_micro_units_without_a_rest(
    minor: int, code: str, micro: int
) -> None:
    amount = money.micro_of(minor, code)

    assert (amount, type(amount)) == (micro, int)


@pytest.mark.parametrize(
    ("micro", "figure"),
    [
        (0, "0.00"),
        (1, "0.000001"),
        (10, "0.00001"),
        (500_000, "0.50"),
        (120_000, "0.12"),
        (123_000, "0.123"),
        (999_999, "0.999999"),
        (1_000_000, "1.00"),
        (12_640_000, "12.64"),
        (1_234_567_890_123, "1,234,567.890123"),
        (-500_000, "-0.50"),
        (-1, "-0.000001"),
    ],
)
def test_figure_loses_nothing_and_has_two_places_at_least(micro: int, figure: str) -> None:
    assert money.figure(micro) == figure


@pytest.mark.parametrize(("places", "figure"), [(0, "12.5"), (1, "12.5"), (4, "12.5000")])
def test_figure_has_as_many_places_as_are_asked_for_or_needed(places: int, figure: str) -> None:
    assert money.figure(12_500_000, places=places) == figure


@pytest.mark.parametrize(
    ("code", "credit", "debt"),
    [
        ("USD", "$12.64", "−$0.50"),
        ("EUR", "€12.64", "−€0.50"),
        ("BRL", "R$12.64", "−R$0.50"),
        ("CHF", "12.64 CHF", "−0.50 CHF"),
    ],
)
def test_amount_is_said_in_the_platforms_currency(
    settings: Settings, code: str, credit: str, debt: str
) -> None:
    settings.CURRENCY = code

    assert money.money(12_640_000) == credit
    assert money.money(-500_000) == debt


@pytest.mark.parametrize(
    ("micro", "places", "said"),
    [
        (0, 2, "$0.00"),
        (4_999, 2, "$0.00"),
        (5_000, 2, "$0.01"),
        (14_999, 2, "$0.01"),
        (15_000, 2, "$0.02"),
        (994_999, 2, "$0.99"),
        (995_000, 2, "$1.00"),
        (-5_000, 2, "−$0.01"),
        (1_999_999_999, 2, "$2,000.00"),
        (49, 4, "$0.0000"),
        (50, 4, "$0.0001"),
        (1, 6, "$0.000001"),
    ],
)
def test_rounded_amount_goes_up_from_the_half(micro: int, places: int, said: str) -> None:
    assert money.rounded(micro, places) == said


@pytest.mark.parametrize(("code", "sign"), [("USD", "$"), ("GBP", "£"), ("CHF", "CHF")])
def test_currency_without_a_sign_is_written_by_its_letters(code: str, sign: str) -> None:
    assert money.sign_of(code) == sign
