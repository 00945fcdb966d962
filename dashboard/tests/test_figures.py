"""Figures are written the same on every page."""

from __future__ import annotations

import pytest

from dashboard.templatetags import figures


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
