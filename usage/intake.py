"""Take usage events in: each becomes one record and one charge, once, however often it arrives."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from django.db import DataError, IntegrityError, connection, transaction

from apikeys import services as apikeys
from common import clock
from inference.contracts.entries import load
from inference.contracts.events import ASKED, DECIDED, ENDED, UsageEvent
from projects.models import Project
from usage import rules
from usage.models import PoisonEvent, Restoration
from usage.rollups import ADD_FRESH, shift

AMEND = "amend"
_TAKING_IN = 0x7573616765
"""The advisory lock of intake: shared by batches, held alone by a restore."""
_UNREADABLE = (ValueError, TypeError, KeyError)
_NAMES = ", ".join(rules.COLUMNS)
_STAGE = "CREATE TEMP TABLE usage_stage (LIKE usage_record) ON COMMIT DROP"
_COPY = f"COPY usage_stage ({_NAMES}) FROM STDIN"
# One statement: a record, its charge and its place in the rollups exist together or not at all,
# and only for what was not there before.
_MERGE = f"""
WITH fresh AS (
    INSERT INTO usage_record ({_NAMES}) SELECT {_NAMES} FROM usage_stage
    ON CONFLICT (request_id, started_at) DO NOTHING RETURNING *
), charged AS (
    INSERT INTO ledger_ledgerentry (project_id, at, kind, amount, request_id, started_at,
        endpoint_id, key_id, tier, terms_number, note, written_by)
    SELECT project_id, now(), 'charge', -cost, request_id, started_at,
        endpoint_id, key_id, tier, terms_number, '', 'usage' FROM fresh WHERE cost <> 0
), {ADD_FRESH}
SELECT count(*) FROM fresh
"""  # noqa: S608 - column names are constants of ours
_TRUTH = ", ".join(f"{name} = %({name})s" for name in ("endpoint", *ENDED, *ASKED, *DECIDED))
_AMENDED = f"""
UPDATE usage_record SET {_TRUTH}
FROM (SELECT * FROM usage_record WHERE request_id = %(request_id)s
      AND started_at = %(started_at)s FOR UPDATE) AS was
WHERE usage_record.request_id = was.request_id AND usage_record.started_at = was.started_at
    AND was.ending = 'gateway_lost'
RETURNING was.status, was.ending, was.tokens_in, was.tokens_out, was.tokens_cached, was.cost
"""  # noqa: S608 - column names are constants of ours
_CORRECT = """
INSERT INTO ledger_ledgerentry (project_id, at, kind, amount, request_id, started_at,
    endpoint_id, key_id, tier, terms_number, note, written_by)
VALUES (%(project_id)s, now(), 'amend', %(amount)s, %(request_id)s, %(started_at)s,
    %(endpoint_id)s, %(key_id)s, %(tier)s, %(terms_number)s, 'The estimate corrected', 'usage')
ON CONFLICT DO NOTHING
"""
_MARK = """
INSERT INTO usage_streammark (shard, milliseconds, sequence) VALUES (%s, %s, %s)
ON CONFLICT (shard) DO UPDATE
    SET milliseconds = excluded.milliseconds, sequence = excluded.sequence
    WHERE (usage_streammark.milliseconds, usage_streammark.sequence)
        < (excluded.milliseconds, excluded.sequence)
"""


@dataclass(frozen=True, slots=True)
class Arrived:
    """One entry as it stood in a stream. ``kind`` is ``settle``, ``late`` or ``amend``."""

    stream: str
    entry_id: str
    body: str
    kind: str = "settle"


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


@dataclass(slots=True)
class _Sorted:
    fresh: list[tuple[Any, ...]]
    amends: list[tuple[UsageEvent, int]]
    poison: list[tuple[Arrived, str]]
    secret_ids: set[int]


class RestoredMeanwhile(Exception):
    """Valkey was restored between reading and recording: its counters lack these events."""


def latest_restoration() -> int:
    """Return the number of the last restoration of Valkey; 0 if there was none."""
    return Restoration.objects.order_by("-pk").values_list("pk", flat=True).first() or 0


def begin_restoration() -> None:
    """Note, before anything is read for it, that Valkey's counters are about to be put back."""
    Restoration.objects.create()


def take_in(batch: Sequence[Arrived], *, read_after: int | None = None) -> Intake:
    """Record a batch of events in one transaction; the caller acknowledges afterwards.

    An event that arrives again changes nothing. One that can't be understood, or that the
    database refuses, is set aside as poison, whole, so that it neither blocks the stream
    nor disappears. Raises ``OperationalError`` when the database is away, and
    ``RestoredMeanwhile`` if the last restoration is not ``read_after`` any more.
    """
    try:
        return _take_in(batch, read_after)
    except (DataError, IntegrityError) as fault:
        if len(batch) == 1:
            _set_aside(batch[0], repr(fault))
            return Intake(recorded=0, repeated=0, poisoned=1)
    half = len(batch) // 2
    rest = take_in(batch[:half], read_after=read_after)
    return rest + take_in(batch[half:], read_after=read_after)


def hold_off_intake() -> None:
    """Let no batch be taken in until the present transaction ends; wait for those under way."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_TAKING_IN])


def ensure_partitions(months_ahead: int = 2) -> None:
    """Make the partitions of this month and the next ones, where they are missing."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT usage_ensure_partitions(%s)", [months_ahead])


def _take_in(batch: Sequence[Arrived], read_after: int | None) -> Intake:
    with transaction.atomic():
        _take_turn()
        if read_after is not None and read_after != latest_restoration():
            raise RestoredMeanwhile
        found = _sort(batch)
        recorded = _merge(found.fresh)
        recorded += sum(_amend(event, project_pk) for event, project_pk in found.amends)
        for arrived, reason in found.poison:
            _set_aside(arrived, reason)
        _mark(batch)
        apikeys.note_use(secret_ids=sorted(found.secret_ids), moment=clock.now())
    poisoned = len(found.poison)
    return Intake(recorded, len(batch) - poisoned - recorded, poisoned)


def _take_turn() -> None:
    # Batches don't wait for each other, only for whoever restores Valkey from what they write.
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [_TAKING_IN])


def _mark(batch: Sequence[Arrived]) -> None:
    places: dict[int, tuple[int, int]] = {}
    for arrived in batch:
        shard = re.fullmatch(r"\{s(\d+)\}:usage", arrived.stream)
        milliseconds, _, sequence = arrived.entry_id.partition("-")
        if shard:
            place = (int(milliseconds), int(sequence or 0))
            places[int(shard[1])] = max(places.get(int(shard[1]), place), place)
    with connection.cursor() as cursor:
        for shard_number, place in sorted(places.items()):
            cursor.execute(_MARK, [shard_number, *place])


def _set_aside(arrived: Arrived, reason: str) -> None:
    # PostgreSQL can't keep a NUL in a text: it is written as people would see it.
    PoisonEvent.objects.get_or_create(
        stream=arrived.stream,
        entry_id=arrived.entry_id,
        defaults={"body": arrived.body.replace("\0", "\\0"), "reason": reason[:400]},
    )


def _sort(batch: Iterable[Arrived]) -> _Sorted:
    found = _Sorted([], [], [], set())
    events = []
    for arrived in batch:
        try:
            events.append((arrived, _read(arrived)))
        except _UNREADABLE as fault:
            found.poison.append((arrived, repr(fault)))
    found.secret_ids |= {event.secret_id for _, event in events if event.secret_id}
    projects = _primary_keys({event.project for _, event in events})
    for arrived, event in events:
        project_pk = projects.get(event.project)
        if project_pk is None:
            found.poison.append((arrived, f"no project {event.project!r}"))
        elif arrived.kind == AMEND:
            found.amends.append((event, project_pk))
        else:
            found.fresh.append(rules.row_of(event, project_pk))
    return found


def event_of(arrived: Arrived) -> UsageEvent | None:
    """Return what an entry says; none if nobody understands it."""
    try:
        return _read(arrived)
    except _UNREADABLE:
        return None


def _read(arrived: Arrived) -> UsageEvent:
    event = load(UsageEvent, arrived.body)
    rules.started_at(event.request_id)
    return event


def _primary_keys(public_ids: set[str]) -> dict[str, int]:
    rows = Project.objects.filter(public_id__in=public_ids)
    return dict(rows.values_list("public_id", "pk"))


def _merge(rows: Sequence[tuple[Any, ...]]) -> int:
    if not rows:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(_STAGE)
        # Errors inside the copy would otherwise be psycopg's own, not Django's.
        with connection.wrap_database_errors, cursor.copy(_COPY) as copy:
            for row in rows:
                copy.write_row(row)
        cursor.execute(_MERGE)
        [merged] = cursor.fetchone()
        cursor.execute("DROP TABLE usage_stage")
    return int(merged)


def _amend(event: UsageEvent, project_pk: int) -> int:
    """Replace what the reaper had estimated; a record that never came is made now."""
    said = dict(zip(rules.COLUMNS, rules.row_of(event, project_pk), strict=True))
    with connection.cursor() as cursor:
        cursor.execute(_AMENDED, said)
        was = cursor.fetchone()
        if was is None:
            return _merge([tuple(said.values())])
        *before, cost_before = was
        cursor.execute(_CORRECT, {**said, "amount": cost_before - event.cost})
        shift(cursor, said, before=(*before, cost_before), after=asdict(event))
    return 1
