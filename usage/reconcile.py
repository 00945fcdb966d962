"""Do all the books say the same? Records, ledger, rollups and what is shown, by project and day."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

from django.db import connection

from projects.models import Project
from usage import selectors
from usage.selectors import Filter

_BOOKS = """
WITH days AS (
    SELECT project_id, date_trunc('day', started_at, 'UTC') AS day, count(*) AS requests,
        sum(tokens_in + tokens_out) AS tokens, sum(cost) AS cost
    FROM usage_record WHERE started_at >= %(since)s AND started_at < %(until)s GROUP BY 1, 2
), charges AS (
    SELECT project_id, date_trunc('day', started_at, 'UTC') AS day, -sum(amount) AS cost
    FROM ledger_ledgerentry
    WHERE kind IN ('charge', 'amend') AND started_at >= %(since)s AND started_at < %(until)s
    GROUP BY 1, 2
), sums AS (
    SELECT project_id, grain, date_trunc('day', at, 'UTC') AS day, sum(requests) AS requests,
        sum(tokens_in + tokens_out) AS tokens, sum(cost) AS cost
    FROM usage_usagerollup WHERE at >= %(since)s AND at < %(until)s AND grain IN ('hour', 'day')
    GROUP BY 1, 2, 3
), keys AS (
    SELECT project_id, day FROM days UNION SELECT project_id, day FROM charges
    UNION SELECT project_id, day FROM sums
)
SELECT project.public_id, keys.day,
    coalesce(days.requests, 0), coalesce(days.tokens, 0), coalesce(days.cost, 0),
    coalesce(charges.cost, 0),
    coalesce(hour.requests, 0), coalesce(hour.tokens, 0), coalesce(hour.cost, 0),
    coalesce(daily.requests, 0), coalesce(daily.tokens, 0), coalesce(daily.cost, 0)
FROM keys JOIN projects_project AS project ON project.id = keys.project_id
LEFT JOIN days ON days.project_id = keys.project_id AND days.day = keys.day
LEFT JOIN charges ON charges.project_id = keys.project_id AND charges.day = keys.day
LEFT JOIN sums AS hour ON hour.project_id = keys.project_id AND hour.day = keys.day
    AND hour.grain = 'hour'
LEFT JOIN sums AS daily ON daily.project_id = keys.project_id AND daily.day = keys.day
    AND daily.grain = 'day'
ORDER BY 1, 2
"""


@dataclass(frozen=True, slots=True)
class Book:
    """What one book says of one project and day."""

    name: str
    requests: int | None
    tokens: int | None
    cost: int


@dataclass(frozen=True, slots=True)
class Day:
    """One project and day in every book."""

    project: str
    day: date
    books: tuple[Book, ...]

    def differences(self) -> Iterator[str]:
        """Yield a sentence for each figure in which a book differs from the records."""
        truth, *others = self.books
        for book in others:
            for figure in ("requests", "tokens", "cost"):
                said, true = getattr(book, figure), getattr(truth, figure)
                if said is not None and said != true:
                    yield (
                        f"{self.project} {self.day}: {figure} is {true:,} in the records "
                        f"and {said:,} in the {book.name}"
                    )


def days(since: datetime, until: datetime) -> Iterator[Day]:
    """Yield every project and UTC day of a period that any book knows."""
    with connection.cursor() as cursor:
        cursor.execute(_BOOKS, {"since": since, "until": until})
        for project, day, *figures in cursor.fetchall():
            requests, tokens, cost, charged, *sums = (int(figure) for figure in figures)
            books = (
                Book("records", requests, tokens, cost),
                Book("ledger", None, None, charged),
                Book("hourly rollups", *sums[:3]),
                Book("daily rollups", *sums[3:]),
            )
            yield Day(project, day.date(), books)


def differences(since: datetime, until: datetime) -> Iterator[str]:
    """Yield a sentence for everything in which the books differ; none if all is well."""
    for day in days(since, until):
        yield from day.differences()
    for project in Project.objects.order_by("pk"):
        yield from _shown(project, since, until)


def _shown(project: Project, since: datetime, until: datetime) -> Iterator[str]:
    wanted = Filter(since=since, until=until)
    shown = selectors.totals(project=project, wanted=wanted)
    true = selectors.records(project=project, wanted=wanted).count()
    if shown.requests != true:
        yield (
            f"{project.public_id}: {true:,} requests are in the records "
            f"and {shown.requests:,} are shown"
        )
