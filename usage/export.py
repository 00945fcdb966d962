"""Usage records as CSV or JSON lines, streamed: memory stays small, however many there are."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

from django.conf import settings

from projects.models import Project
from usage import selectors
from usage.models import UsageRecord
from usage.rules import Cursor
from usage.selectors import Filter

PAGE = 1000
FIELDS = (
    "request_id",
    "started_at",
    "endpoint",
    "model",
    "key_id",
    "worker_id",
    "operation",
    "streamed",
    "status",
    "ending",
    "source",
    "tokens_in",
    "tokens_out",
    "tokens_cached",
    "cost",
    "currency",
    "tier",
    "terms_number",
    "ttft_ms",
    "latency_ms",
    "caller_request_id",
    "slo_ttft_ms",
    "slo_tpot_ms",
    "decision",
)
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_lines(*, project: Project, wanted: Filter) -> Iterator[str]:
    """Yield a head line, then the records newest first."""
    yield _csv([FIELDS])
    for rows in _pages(project, wanted):
        yield _csv([_cell(value) for value in as_dict(row).values()] for row in rows)


def json_lines(*, project: Project, wanted: Filter) -> Iterator[str]:
    """Yield the records, one JSON object a line, newest first."""
    for rows in _pages(project, wanted):
        yield "".join(json.dumps(as_dict(row)) + "\n" for row in rows)


def as_dict(record: UsageRecord) -> dict[str, Any]:
    """Return what is said of a record outside, in the order of the columns."""
    said = {name: getattr(record, name, settings.CURRENCY) for name in FIELDS}
    said["started_at"] = record.started_at.isoformat().replace("+00:00", "Z")
    return said


def _pages(project: Project, wanted: Filter) -> Iterator[list[UsageRecord]]:
    after: Cursor | None = None
    while True:
        rows, after = selectors.page(project=project, wanted=wanted, after=after, limit=PAGE)
        yield rows
        if after is None:
            return


def _cell(value: Any) -> Any:
    """Keep a spreadsheet from running what a caller put into a text, such as a request id."""
    if isinstance(value, dict):
        return json.dumps(value, separators=(",", ":"))
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _csv(rows: Any) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()
