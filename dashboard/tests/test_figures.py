"""Figures are written the same on every page."""

from __future__ import annotations

from dataclasses import fields

import pytest

from dashboard.templatetags import figures
from usage import selectors


@pytest.mark.parametrize(
    ("micro", "written"),
    [
        pytest.param(0, "$0.00", id="nothing"),
        pytest.param(99, "< $0.0001", id="less than can be shown"),
        pytest.param(100, "$0.0001", id="the least that can be shown"),
        pytest.param(2_000, "$0.0020", id="a request"),
        pytest.param(999_949, "$0.9999", id="just below one"),
        pytest.param(12_640_000, "$12.64", id="a day"),
        pytest.param(1_234_567_890_000, "$1,234,567.89", id="a year"),
    ],
)
def test_cost(micro: int, written: str) -> None:
    assert figures.cost(micro) == written


@pytest.mark.parametrize(
    ("micro", "written"),
    [
        pytest.param(None, "–", id="none"),
        pytest.param(500_000, "$0.50", id="two places"),
        pytest.param(27_400, "$0.0274", id="as many as say something"),
        pytest.param(2_000_000, "$2.00", id="whole"),
    ],
)
def test_price(micro: int | None, written: str) -> None:
    assert figures.money(micro) == written


@pytest.mark.parametrize(
    ("value_ms", "written"),
    [
        pytest.param(None, "–", id="none"),
        pytest.param(0.4, "0 ms", id="at once"),
        pytest.param(184.4, "184 ms", id="below a second"),
        pytest.param(999.9, "1.00 s", id="rounded up to a second"),
        pytest.param(2413.0, "2.41 s", id="above a second"),
    ],
)
def test_duration(value_ms: float | None, written: str) -> None:
    assert figures.duration(value_ms) == written


@pytest.mark.parametrize(
    ("share", "written"),
    [
        pytest.param(None, "–", id="none"),
        pytest.param(0.0, "0", id="zero"),
        pytest.param(0.04, "0.04", id="below one"),
        pytest.param(12.5, "12.5", id="above one"),
        pytest.param(100.0, "100", id="all"),
    ],
)
def test_percent(share: float | None, written: str) -> None:
    assert figures.percent(share) == written


@pytest.mark.parametrize(
    ("value", "written"),
    [
        pytest.param("req_1", "req_1", id="short"),
        pytest.param("req_0193a5b2c4d87f3e", "req_0193a…7f3e", id="long"),
    ],
)
def test_long_id_is_shortened_in_the_middle(value: str, written: str) -> None:
    assert figures.middle(value, 13) == written


@pytest.mark.parametrize(
    ("agent", "written"),
    [
        pytest.param(
            "Mozilla/5.0 (X11; Linux) Chrome/150 Safari/537", "Chrome on Linux", id="chrome"
        ),
        pytest.param(
            "Mozilla/5.0 (Mac OS X) Version/26 Safari/605", "Safari on macOS", id="safari"
        ),
        pytest.param("Mozilla/5.0 (Windows) Chrome/150 Edg/150", "Edge on Windows", id="edge"),
        pytest.param("curl/8.5", "curl/8.5", id="a program"),
        pytest.param("", "Unknown", id="nothing said"),
    ],
)
def test_browser(agent: str, written: str) -> None:
    assert figures.browser(agent) == written


@pytest.mark.parametrize(
    ("value_bytes", "written"),
    [
        pytest.param(0, "–", id="unknown"),
        pytest.param(98_000_000, "93 MiB", id="small"),
        pytest.param(48_000_000_000, "44.7 GiB", id="large"),
    ],
)
def test_size(value_bytes: int, written: str) -> None:
    assert figures.size(value_bytes) == written


@pytest.mark.parametrize(
    ("micro", "written"),
    [(5_000_000, "+$5.00"), (0, "+$0.00"), (-2_000, "−$0.002"), (-1_500_000, "−$1.50")],
)
def test_movement_has_its_sign(micro: int, written: str) -> None:
    assert figures.moved(micro) == written


@pytest.mark.parametrize(
    ("micro", "written"),
    [(0, "$0.00"), (12_345_678, "$12.35"), (-12_345_678, "−$12.35")],
)
def test_debt_has_a_minus_before_the_currency(micro: int, written: str) -> None:
    assert figures.balance(micro) == written


@pytest.mark.parametrize(
    ("value", "written"), [(None, "–"), (0, "0"), (999, "999"), (48_209, "48,209")]
)
def test_whole_number_is_grouped(value: int | None, written: str) -> None:
    assert figures.grouped(value) == written


@pytest.mark.parametrize(
    ("value_ms", "value", "unit"), [(None, "–", ""), (184.4, "184", "ms"), (2413.0, "2.41", "s")]
)
def test_duration_comes_apart_into_figure_and_unit(
    value_ms: float | None, value: str, unit: str
) -> None:
    assert figures.duration_value(value_ms) == value
    assert figures.duration_unit(value_ms) == unit


@pytest.mark.parametrize(("share", "unit"), [(None, ""), (0.0, "%"), (12.5, "%")])
def test_share_of_nothing_has_no_unit(share: float | None, unit: str) -> None:
    assert figures.percent_unit(share) == unit


@pytest.mark.parametrize(
    ("name", "front", "back"),
    [
        ("short", "short", ""),
        ("exactly-16-chars", "exactly-16-chars", ""),
        ("just-17-characters", "just-17-ch", "aracters"),
        ("production-runner-0017", "production-run", "ner-0017"),
    ],
)
def test_end_of_a_long_name_always_stays(name: str, front: str, back: str) -> None:
    assert (figures.front(name), figures.back(name)) == (front, back)
    assert figures.front(name) + figures.back(name) == name


@pytest.mark.parametrize(
    ("change", "written"),
    [
        (None, "nothing to compare with yet"),
        (12.34, "↑ 12.3 % on the range before"),
        (-12.36, "↓ 12.4 % on the range before"),
        (0.0, "→ 0.0 % on the range before"),
    ],
)
def test_growth_is_said_with_its_direction(change: float | None, written: str) -> None:
    assert figures.growth(change) == written


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (figures.requests(0), "0 requests"),
        (figures.requests(1), "1 request"),
        (figures.requests(1200), "1,200 requests"),
        (figures.failed(0), "none failed"),
        (figures.failed(1200), "1,200 failed"),
        (figures.refused_title(0), "Refused"),
        (figures.refused_title(1200), "1,200 refused"),
        (figures.cached(0), ""),
        (figures.cached(1200), "1,200 from cache"),
        (figures.tokens_in(1200), "1,200 in"),
        (figures.limit(None), "unlimited"),
        (figures.limit(0), "0"),
        (figures.limit(1200), "1,200"),
    ],
)
def test_counts_are_said_in_words(written: str, said: str) -> None:
    assert written == said


def totals(**said: object) -> selectors.Totals:
    empty: dict[str, object] = dict.fromkeys(
        (field.name for field in fields(selectors.Totals)), 0
    ) | {"ttft_p50_ms": None}
    return selectors.Totals(**(empty | said))  # type: ignore[arg-type] # why: named by tests


def test_those_who_left_are_counted_apart_from_those_who_were_failed() -> None:
    assert figures.failed_or_left(totals(failures=2, left_early=1)) == "2 failed · 1 left early"
    assert figures.failed_or_left(totals()) == "none failed"


def test_spread_of_first_tokens_is_of_streams_if_there_were_any() -> None:
    assert figures.ttft_spread(totals()) == "no streams in this range"
    assert figures.ttft_spread(totals(ttft_p50_ms=20.0, ttft_p99_ms=2000.0)) == (
        "p50 20 ms · p99 2.00 s"
    )


def test_empty_list_says_why_it_is_empty() -> None:
    assert "No admitted request has this id" in figures.nothing_found("req_1")
    assert "fits the filters" in figures.nothing_found("")
