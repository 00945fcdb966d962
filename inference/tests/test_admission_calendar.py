"""What hangs on the calendar: names of months, and for how long an ended request is remembered."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis

from inference.tests.valkey import LIBRARY, URL

MONTHS = [datetime(y, m, 1, tzinfo=UTC) for y in range(1970, 2402) for m in range(1, 13)]
"""Of more than four hundred years, after which the calendar begins again."""
LEAP_DAYS = [datetime(year, 2, 29, tzinfo=UTC) for year in (2000, 2024, 2028, 2400)]


@pytest.fixture
def valkey() -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(URL, decode_responses=True)
    yield client
    client.delete(*client.scan_iter("{s63}:*:calendar*"), "{s63}:calendar")
    client.close()


def source_of(*names: str) -> str:
    """Return functions of the library as they stand there."""
    text = LIBRARY.read_text(encoding="utf-8")
    found = [
        re.search(
            rf"^local function {name}\(.*?^end|^local function {name}\(.*?end$", text, re.M | re.S
        )
        for name in names
    ]
    return "\n".join(match[0] for match in found if match)


def test_every_month_begins_and_ends_and_is_spelt_as_in_postgresql(valkey: redis.Redis) -> None:
    script = (
        "local DAY_US = 86400 * 1e6\n"
        f"{source_of('int', 'month_of')}\n"
        "local found = {} for i, us in ipairs(ARGV) do found[i] = month_of(tonumber(us)) end\n"
        "return found"
    )
    days = [*MONTHS, *(month - timedelta(days=1) for month in MONTHS[1:]), *LEAP_DAYS]
    first = [int(day.timestamp()) * 1_000_000 for day in days]
    last = [moment + 86_399_000_000 for moment in first]

    for edge in (first, last):
        said: Any = valkey.eval(script, 0, *edge)
        assert said == [f"{day:%Y%m}" for day in days]


def test_ended_request_is_remembered_for_longer_than_a_journal_may_be_late(
    valkey: redis.Redis,
) -> None:
    text = LIBRARY.read_text(encoding="utf-8")
    late = re.search(r"^local LATE_US = ([\d* .e]+)", text, re.MULTILINE)
    assert late is not None
    late_us = 1.0
    for factor in late[1].split("*"):
        late_us *= float(factor)

    valkey.function_load(text, replace=True)
    valkey.fcall("xt1_remember", 1, "{s63}", "calendar")
    [marker] = valkey.scan_iter("{s63}:*calendar")

    assert valkey.pttl(marker) * 1000 > late_us + 1800 * 1_000_000
