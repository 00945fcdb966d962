"""New terms start from those in force, say what they change, and can be taken back in time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from audit.models import AuditEntry
from catalog import selectors, services, terms
from catalog.errors import NothingChanges, NumberMalformed, TermsBegun
from common import clock
from tests.make import make_tier

pytestmark = pytest.mark.django_db


def test_what_is_not_said_stays_as_it_is_in_force() -> None:
    tier = make_tier("gpu_nvidia_shared")
    before = terms.of(selectors.terms_at(tier, clock.now()))

    services.supersede_terms(tier=tier, changes={"price_per_million": 600_000})

    after = terms.of(selectors.terms_at(tier, clock.now()))
    assert after == before | {"price_per_million": 600_000}
    assert after["tokens_per_min"] == 500_000


def test_unlimited_is_said_and_never_left_out() -> None:
    tier = make_tier("free")

    services.supersede_terms(tier=tier, changes=terms.read_all({"tokens_per_min": "unlimited"}))

    assert selectors.terms_at(tier, clock.now()).tokens_per_min is None
    with pytest.raises(NumberMalformed, match="unlimited"):
        terms.read_all({"tokens_per_min": ""})
    with pytest.raises(NumberMalformed):
        terms.read_all({"concurrent": "unlimited"})


def test_terms_that_change_nothing_are_refused() -> None:
    tier = make_tier("free")

    with pytest.raises(NothingChanges):
        services.supersede_terms(tier=tier, changes={"concurrent": 5})

    assert tier.terms.count() == 1


def test_terms_are_withdrawn_until_they_begin_and_no_longer() -> None:
    tier = make_tier("free")
    later = clock.now() + timedelta(days=1)
    row = services.supersede_terms(tier=tier, changes={"concurrent": 9}, effective_from=later)

    services.withdraw_terms(row=row)

    assert tier.terms.count() == 1
    assert AuditEntry.objects.filter(action="tier.terms_withdrawn").count() == 1
    with pytest.raises(TermsBegun):
        services.withdraw_terms(row=selectors.terms_at(tier, clock.now()))


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("price_per_million", "0.6", 600_000),
        ("price_per_agent_hour", "0.0274", 27_400),
        ("max_model_bytes", "48", 48 * 10**9),
        ("max_model_bytes", "unlimited", None),
        ("tokens_per_min", "500000", 500_000),
    ],
)
def test_number_is_written_as_people_write_it_and_read_back(
    name: str, text: str, value: int | None
) -> None:
    assert terms.read_all({name: text}) == {name: value}
    assert terms.BY_NAME[name].read(terms.BY_NAME[name].write(value)) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("price_per_million", "0.0000001"),
        ("price_per_million", "-1"),
        ("price_per_million", "$1"),
        ("price_per_million", "1e30"),
        ("price_per_million", "nan"),
        ("cached_percent", "101"),
        ("tokens_per_min", "0"),
        ("requests_per_min", "many"),
        ("concurrent", "1.5"),
    ],
)
def test_number_that_is_none_is_refused_by_name(name: str, text: str) -> None:
    with pytest.raises(NumberMalformed) as refused:
        terms.read_all({name: text})

    assert refused.value.param == name


def test_preview_says_what_changes_with_units() -> None:
    before = terms.of(selectors.terms_at(make_tier("gpu_nvidia_shared"), clock.now()))

    told = terms.changes(before, before | {"price_per_million": 600_000, "tokens_per_min": None})

    assert [(one.label, one.before, one.after) for one in told] == [
        ("Price", "$1.25 per 1M tokens", "$0.60 per 1M tokens"),
        ("Tokens a minute", "500,000", "unlimited"),
    ]
