"""Do all the books say the same? Records, ledger, rollups and what is shown, by project and day.

One statement reads all of them, so that what arrives in the meantime is in every book or in none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from django.db import connection

from common import clock
from usage import retention, rules
from usage.rules import Grain

_NAMES = {Grain.MINUTE: "minute", Grain.HOUR: "hourly", Grain.DAY: "daily"}
FIGURES = ("requests", "tokens", "cost")
_GRAIN_SUMS = ",\n".join(
    f"sum({what}) FILTER (WHERE grain = '{grain}') AS {grain}_{name}"
    for grain in Grain.values
    for name, what in zip(FIGURES, ("requests", "tokens_in + tokens_out", "cost"), strict=True)
)
_GRAIN_FIGURES = ", ".join(
    f"coalesce({grain}_{name}, 0)" for grain in Grain.values for name in FIGURES
)
_BOOKS = f"""
WITH rows AS (
    SELECT project_id, date_trunc('day', started_at, 'UTC') AS day, count(*) AS requests,
        sum(tokens_in + tokens_out) AS tokens, sum(cost) AS cost
    FROM usage_record WHERE started_at >= %(since)s AND started_at < %(until)s GROUP BY 1, 2
), charges AS (
    SELECT project_id, date_trunc('day', started_at, 'UTC') AS day, -sum(amount) AS charged
    FROM ledger_ledgerentry
    WHERE kind IN ('charge', 'amend') AND started_at >= %(since)s AND started_at < %(until)s
    GROUP BY 1, 2
), sums AS (
    SELECT project_id, date_trunc('day', at, 'UTC') AS day, {_GRAIN_SUMS}
    FROM usage_usagerollup WHERE at >= %(since)s AND at < %(until)s GROUP BY 1, 2
)
SELECT project.public_id, day, coalesce(requests, 0), coalesce(tokens, 0), coalesce(cost, 0),
    coalesce(charged, 0), {_GRAIN_FIGURES}
FROM rows FULL JOIN charges USING (project_id, day) FULL JOIN sums USING (project_id, day)
JOIN projects_project AS project ON project.id = project_id
ORDER BY 1, 2
"""  # noqa: S608 - constants of ours


@dataclass(frozen=True, slots=True)
class Book:
    """What one book says of one project and day; none of what it does not keep."""

    name: str
    requests: int | None = None
    tokens: int | None = None
    cost: int | None = None

    @property
    def figures(self) -> tuple[int | None, ...]:
        """Requests, tokens and cost."""
        return self.requests, self.tokens, self.cost


@dataclass(frozen=True, slots=True)
class Day:
    """One project and day in every book; the first that keeps a figure is held to be true."""

    project: str
    day: date
    books: tuple[Book, ...]

    def differences(self) -> Iterator[str]:
        """Yield a sentence for each figure in which a book differs from the first that has it."""
        for place, figure in enumerate(FIGURES):
            kept = [(book.name, book.figures[place]) for book in self.books]
            (first, true), *others = [one for one in kept if one[1] is not None]
            for name, said in others:
                if said != true:
                    yield (
                        f"{self.project} {self.day}: {figure} is {true:,} in the {first} "
                        f"and {said:,} in the {name}"
                    )


def days(since: datetime, until: datetime) -> Iterator[Day]:
    """Yield every project and UTC day of a period of whole days that any book knows."""
    with connection.cursor() as cursor:
        cursor.execute(_BOOKS, {"since": since, "until": until})
        for project, moment, *figures in cursor.fetchall():
            day = moment.astimezone(UTC).date()
            yield Day(project, day, _books(day, [int(figure) for figure in figures]))


def differences(since: datetime, until: datetime) -> Iterator[str]:
    """Yield a sentence for everything in which the books differ; none if all is well."""
    for day in days(since, until):
        yield from day.differences()


def _books(day: date, figures: list[int]) -> tuple[Book, ...]:
    begins, now = datetime.combine(day, time(), UTC), clock.now()
    sums = {grain: figures[4 + 3 * at : 7 + 3 * at] for at, grain in enumerate(Grain)}
    shown = rules.grain_for(begins, begins + timedelta(days=1), now)
    return (
        Book("records", *figures[:3]) if begins >= retention.kept_since() else Book("records"),
        Book("ledger", cost=figures[3]),
        *(
            Book(f"{_NAMES[grain]} rollups", *sums[grain])
            if rules.is_kept(grain, begins, now)
            else Book(f"{_NAMES[grain]} rollups")
            for grain in Grain
        ),
        Book("totals shown", *sums[shown]),
    )
