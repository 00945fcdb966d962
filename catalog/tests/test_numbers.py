"""The numbers of a tier: read as people write them, shown as people read them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from pytest_django import Settings

from catalog import terms
from catalog.defaults import TIERS
from catalog.errors import NumberMalformed
from catalog.models import TierTerms
from catalog.terms import BY_NAME, NUMBERS, Change

PRICE, PER_HOUR = BY_NAME["price_per_million"], BY_NAME["price_per_agent_hour"]
PERCENT, TOKENS = BY_NAME["cached_percent"], BY_NAME["tokens_per_min"]
SIZE, AT_ONCE = BY_NAME["max_model_bytes"], BY_NAME["concurrent"]


@pytest.mark.parametrize(
    ("number", "text", "value"),
    [
        (PRICE, "0.5", 500_000),
        (PRICE, "1.25", 1_250_000),
        (PRICE, "0.000001", 1),
        (PRICE, "0", 0),
        (PRICE, " 3 ", 3_000_000),
        (PER_HOUR, "0.0274", 27_400),
        (PERCENT, "100", 100),
        (PERCENT, "25.0", 25),
        (TOKENS, "1e6", 1_000_000),
        (TOKENS, "unlimited", None),
        (TOKENS, " Unlimited ", None),
        (SIZE, "48", 48 * 10**9),
        (SIZE, "0.5", 5 * 10**8),
        (SIZE, "unlimited", None),
        (AT_ONCE, "100000", 100_000),
    ],
)
def test_number_is_read_exactly_as_a_person_wrote_it(
    number: terms.Number, text: str, value: int | None
) -> None:
    assert number.read(text) == value


@pytest.mark.parametrize(
    ("number", "text", "says"),
    [
        (PRICE, "", "Price: write"),
        (PRICE, "cheap", "such as 0.50."),
        (PRICE, "0.0000001", "Price: write"),
        (PRICE, "unlimited", "such as 0.50."),
        (PRICE, "-0.5", "Price: from 0 to 1000000000."),
        (PRICE, "nan", "Price: write"),
        (PRICE, "inf", "Price: write"),
        (PERCENT, "101", "Cached prompt tokens cost: from 0 to 100."),
        (PERCENT, "2.5", "write a whole number."),
        (TOKENS, "0", "Tokens a minute: from 1 to 1000000000000000."),
        (TOKENS, "ten", "write a whole number or “unlimited”."),
        (TOKENS, "1e16", "from 1 to"),
        (AT_ONCE, "unlimited", "Requests at once: write a whole number."),
        (AT_ONCE, "100001", "from 1 to 100000."),
    ],
)
def test_number_nobody_could_be_billed_on_is_refused_by_its_label(
    number: terms.Number, text: str, says: str
) -> None:
    with pytest.raises(NumberMalformed) as refused:
        number.read(text)

    assert says in refused.value.message
    assert refused.value.message.startswith(number.label)
    assert refused.value.param == number.name


@pytest.mark.parametrize("number", NUMBERS, ids=lambda one: one.name)
def test_what_is_written_reads_as_it_was(number: terms.Number) -> None:
    values = [number.least, number.most, number.least + 1, (number.least + number.most) // 3]

    assert [number.read(number.write(value)) for value in values] == values
    assert number.write(None) == terms.UNLIMITED


@pytest.mark.parametrize(
    ("number", "value", "shown"),
    [
        (PRICE, 500_000, "$0.50 per 1M tokens"),
        (PRICE, 1_250_000_000, "$1,250.00 per 1M tokens"),
        (PER_HOUR, 27_400, "$0.0274 per agent-hour"),
        (PERCENT, 25, "25 %"),
        (TOKENS, 1_000_000, "1,000,000"),
        (TOKENS, None, "unlimited"),
        (SIZE, 48 * 10**9, "48 GB"),
        (SIZE, 1_500_000_000_000, "1,500 GB"),
        (SIZE, 98_000_000, "0.098 GB"),
        (BY_NAME["request_timeout_s"], 86_400, "86,400 s"),
    ],
)
def test_number_is_shown_with_its_unit(number: terms.Number, value: int | None, shown: str) -> None:
    assert number.show(value) == shown


@pytest.mark.parametrize(
    ("code", "shown"), [("EUR", "€0.50 per 1M tokens"), ("CHF", "0.50 CHF per 1M tokens")]
)
def test_price_is_shown_and_asked_for_in_the_platforms_currency(
    settings: Settings, code: str, shown: str
) -> None:
    settings.CURRENCY = code

    assert PRICE.show(500_000) == shown
    with pytest.raises(NumberMalformed, match=f"write an amount in {code}, such as 0.50"):
        PRICE.read("cheap")


def test_every_number_of_terms_can_be_set_and_no_other() -> None:
    columns = {field.name for field in TierTerms._meta.get_fields()}

    assert set(BY_NAME) == columns - {"id", "tier", "number", "effective_from", "begun_at"}


@pytest.mark.parametrize("tier", TIERS, ids=lambda one: one.slug)
def test_shipped_numbers_could_have_been_typed(tier: object) -> None:
    said = getattr(tier, "numbers", {})
    written = {name: BY_NAME[name].write(value) for name, value in said.items()}

    assert terms.read_all(written) == said


def test_changes_are_told_in_the_order_of_the_numbers_and_only_what_differs() -> None:
    before = terms.of(SimpleNamespace(**{number.name: number.least for number in NUMBERS}))
    after = before | {"monthly_tokens": None, "price_per_million": 500_000, "priority": 0}

    assert terms.changes(before, after) == [
        Change("Price", "$0.00 per 1M tokens", "$0.50 per 1M tokens"),
        Change("Tokens a person and month", "1", "unlimited"),
    ]
    assert terms.changes(after, after) == []
