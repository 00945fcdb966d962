"""What ``bench.usage_rows`` fills its tables with, and what it asks of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.core.management import call_command
from django.db import connection

from common import clock
from projects.models import Project
from usage import rollups, selectors
from usage.rules import Cursor, Grain, month_of
from usage.selectors import Filter

REPEATS = 7
PROJECTS = 20

_MONTH = """
CREATE TABLE usage_record_{name} PARTITION OF usage_record
FOR VALUES FROM ('{first} UTC') TO ('{last} UTC')
"""
# A year up to now, in order of time, as in life. The id's first 48 bits are its moment.
_FILL = """
INSERT INTO usage_record (request_id, project_id, started_at, endpoint, endpoint_id, model,
    key_id, worker_id, operation, streamed, status, ending, source, tokens_in, tokens_out,
    tokens_cached, ttft_ms, latency_ms, tier, terms_number, cost, caller_request_id)
SELECT 'req_' || lpad(to_hex(ms), 12, '0') || '7' || substr(md5(n::text), 1, 19),
    CASE WHEN n %% 2 = 0 THEN 1 ELSE 2 + n %% %(others)s END,
    to_timestamp(ms / 1000.0), 'e' || n %% 7, 'ep_' || n %% 7, 'm' || n %% 3, 'key_' || n %% 11,
    'wrk_1', 'chat/completions', true,
    CASE WHEN n %% 97 = 0 THEN 502 ELSE 200 END, 'complete', 'measured',
    100 + n %% 900, 50 + n %% 400, 0, 20 + n %% 80, 300 + n %% 2000, 'free', 1, n %% 50, ''
FROM generate_series(1, %(rows)s) AS n,
LATERAL (SELECT (%(until)s - 31536000000.0 * (%(rows)s - n) / %(rows)s)::bigint AS ms) AS moment
"""


def fill(rows: int) -> Project:
    """Make the tables and fill them; return the project that half of the rows are of."""
    call_command("migrate", verbosity=0)
    projects = [
        Project.objects.create(pk=number, slug=f"p{number}", name=f"P{number}")
        for number in range(1, PROJECTS + 1)
    ]
    now = clock.now()
    with connection.cursor() as cursor:
        _make_months(cursor, now)
        indexes = _drop_indexes(cursor)
        said = {"rows": rows, "others": PROJECTS - 1, "until": int(now.timestamp() * 1000)}
        cursor.execute(_FILL, said)
        for index in indexes:
            cursor.execute(index)
    rollups.rebuild(_days_before(now, 31), _days_before(now, -1))
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    return projects[0]


def _days_before(now: datetime, days: int) -> datetime:
    return (now - timedelta(days=days)).replace(hour=0, minute=0, second=0, microsecond=0)


def _make_months(cursor: Any, now: datetime) -> None:
    first = now.replace(day=1)
    for _ in range(12):
        last, first = first, _days_before(first, 1).replace(day=1)
        said = {"name": f"{first:%Y%m}", "first": f"{first:%Y-%m-01}", "last": f"{last:%Y-%m-01}"}
        cursor.execute(_MONTH.format(**said))


def _drop_indexes(cursor: Any) -> list[str]:
    """Drop the table's own indexes and return how to make them: filling is faster without."""
    cursor.execute(
        "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'usage_record'"
        " AND indexname NOT LIKE '%pkey'"
    )
    found: list[tuple[str, str]] = cursor.fetchall()
    cursor.execute("SET maintenance_work_mem = '512MB'")
    for name, _ in found:
        cursor.execute(f'DROP INDEX "{name}"')
    cursor.execute("ALTER TABLE usage_record DROP CONSTRAINT usage_record_pkey")
    return [
        "ALTER TABLE usage_record ADD PRIMARY KEY (request_id, started_at)",
        *(definition.replace(" ON ONLY ", " ON ") for _, definition in found),
    ]


def questions(project: Project) -> dict[str, Callable[[], object]]:
    """Return what pages and the API ask, by name."""
    records = selectors.records(
        project=project, wanted=Filter(until=_days_before(clock.now(), 330))
    )
    deep = records[0]
    cursor = Cursor(deep.started_at, deep.request_id)
    month = Filter(since=month_of(clock.now()))
    day, week = (Filter(since=clock.now() - timedelta(days=days)) for days in (1, 7))
    page, totals = selectors.page, selectors.totals
    failures = Filter(failed_only=True)
    return {
        "first page": lambda: page(project=project, wanted=Filter()),
        "page eleven months back": lambda: page(project=project, wanted=Filter(), after=cursor),
        "page of one endpoint": lambda: page(project=project, wanted=Filter(endpoint="e3")),
        "page of one key": lambda: page(project=project, wanted=Filter(key_id="key_5")),
        "page of failures": lambda: page(project=project, wanted=failures),
        "summary of this month": lambda: totals(project=project, wanted=month),
        "summary of a day": lambda: totals(project=project, wanted=day),
        "chart of a week by hour": lambda: selectors.series(
            project=project, wanted=week, step=Grain.HOUR
        ),
        "money, as every publication asks": lambda: selectors.account_of(project=project),
    }


def show(name: str, ask: Callable[[], object]) -> None:
    """Print how long a question takes, and the plan of each statement it asks."""
    asked: list[tuple[str, Any]] = []

    def listen(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        asked.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(listen):
        ask()
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        ask()
        times.append((time.perf_counter() - began) * 1000)
    print(f"## {name}: {statistics.median(times):.1f} ms (worst of {REPEATS}: {max(times):.1f})")
    for sql, params in asked:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS) {sql}", params)
            print("\n".join(f"    {line}" for (line,) in cursor.fetchall()))
    print()
