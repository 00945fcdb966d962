"""Numbers are read the way people write them."""

from __future__ import annotations

import pytest

from dashboard.shell.typed import amount, whole


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        pytest.param("1000", "1000", id="plain"),
        pytest.param("1,000", "1000", id="by commas"),
        pytest.param("1.000.000", "1000000", id="by points"),
        pytest.param("1 000", "1000", id="by spaces"),
        pytest.param("1,00", "1,00", id="no group"),
        pytest.param("ten", "ten", id="no number"),
    ],
)
def test_whole_number_may_be_grouped(typed: str, read: str) -> None:
    assert whole(typed) == read


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        pytest.param("50", "50", id="plain"),
        pytest.param("$50", "50", id="with its sign"),
        pytest.param("50 USD", "50", id="with its name"),
        pytest.param("12.50", "12.50", id="with a point"),
        pytest.param("12,50", "12.50", id="with a comma"),
        pytest.param("1,000", "1000", id="a group is no fraction"),
        pytest.param("1,250.50", "1250.50", id="both, the American way"),
        pytest.param("1.234,50", "1234.50", id="both, the European way"),
        pytest.param("0.000001", "0.000001", id="the least there is"),
        pytest.param("much", "much", id="no number"),
    ],
)
def test_amount_may_have_a_sign_and_either_mark(typed: str, read: str) -> None:
    assert amount(typed) == read
