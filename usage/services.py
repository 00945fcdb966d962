"""Take usage events in: each becomes one record, once, however often it arrives."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import DataError, IntegrityError, connection, transaction

from apikeys import services as apikeys
from common import clock
from inference.contracts import UsageEvent, load
from projects.models import Project
from usage import rules
from usage.models import PoisonEvent

_STAGE = "CREATE TEMP TABLE usage_stage (LIKE usage_record) ON COMMIT DROP"
_COPY = f"COPY usage_stage ({', '.join(rules.COLUMNS)}) FROM STDIN"
_MERGE = f"""
INSERT INTO usage_record ({", ".join(rules.COLUMNS)})
SELECT {", ".join(rules.COLUMNS)} FROM usage_stage
ON CONFLICT (request_id, started_at) DO NOTHING
"""  # noqa: S608 - column names are constants of ours


@dataclass(frozen=True, slots=True)
class Arrived:
    """One entry as it stood in a stream."""

    stream: str
    entry_id: str
    body: str


@dataclass(frozen=True, slots=True)
class Intake:
    """What became of a batch."""

    recorded: int
    repeated: int
    poisoned: int

    def __add__(self, other: Intake) -> Intake:
        return Intake(
            self.recorded + other.recorded,
            self.repeated + other.repeated,
            self.poisoned + other.poisoned,
        )


def take_in(batch: Sequence[Arrived]) -> Intake:
    """Record a batch of events in one transaction; the caller acknowledges afterwards.

    An event that arrives again changes nothing. One that can't be understood, or that the
    database refuses, is set aside as poison, whole, so that it neither blocks the stream
    nor disappears. Raises ``OperationalError`` when the database is away.
    """
    try:
        return _take_in(batch)
    except (DataError, IntegrityError) as fault:
        if len(batch) == 1:
            _set_aside(batch[0], repr(fault))
            return Intake(recorded=0, repeated=0, poisoned=1)
    half = len(batch) // 2
    return take_in(batch[:half]) + take_in(batch[half:])


def _take_in(batch: Sequence[Arrived]) -> Intake:
    with transaction.atomic():
        good, poison, secret_ids = _sort(batch)
        recorded = _merge(good.values())
        for arrived, reason in poison:
            _set_aside(arrived, reason)
        apikeys.note_use(secret_ids=sorted(secret_ids), moment=clock.now())
    return Intake(recorded, len(batch) - len(poison) - recorded, len(poison))


def _set_aside(arrived: Arrived, reason: str) -> None:
    # PostgreSQL can't keep a NUL in a text: it is written as people would see it.
    PoisonEvent.objects.get_or_create(
        stream=arrived.stream,
        entry_id=arrived.entry_id,
        defaults={"body": arrived.body.replace("\0", "\\0"), "reason": reason[:400]},
    )


def ensure_partitions(months_ahead: int = 2) -> None:
    """Make the partitions of this month and the next ones, where they are missing."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT usage_ensure_partitions(%s)", [months_ahead])


def _sort(
    batch: Iterable[Arrived],
) -> tuple[dict[str, tuple[Any, ...]], list[tuple[Arrived, str]], set[int]]:
    """Part what can be recorded from what can't; say which secrets were used."""
    good: dict[str, tuple[Any, ...]] = {}
    poison: list[tuple[Arrived, str]] = []
    events = []
    for arrived in batch:
        try:
            event = load(UsageEvent, arrived.body)
            rules.started_at(event.request_id)
            events.append((arrived, event))
        except (ValueError, TypeError, KeyError) as fault:
            poison.append((arrived, repr(fault)))
    projects = _primary_keys({event.project for _, event in events})
    for arrived, event in events:
        if event.project in projects:
            good[event.request_id] = rules.row_of(event, projects[event.project])
        else:
            poison.append((arrived, f"no project {event.project!r}"))
    return good, poison, {event.secret_id for _, event in events if event.secret_id}


def _primary_keys(public_ids: set[str]) -> dict[str, int]:
    rows = Project.objects.filter(public_id__in=public_ids)
    return dict(rows.values_list("public_id", "pk"))


def _merge(rows: Iterable[tuple[Any, ...]]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_STAGE)
        # Errors inside the copy would otherwise be psycopg's own, not Django's.
        with connection.wrap_database_errors, cursor.copy(_COPY) as copy:
            for row in rows:
                copy.write_row(row)
        cursor.execute(_MERGE)
        merged: int = cursor.rowcount
        cursor.execute("DROP TABLE usage_stage")
    return merged
