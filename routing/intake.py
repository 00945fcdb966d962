"""Take decision records in: of each read entry what is worth keeping, once, and where to go on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.conf import settings
from django.db import transaction

from common import clock
from inference.contracts.records import DecisionRecord, read_records
from projects.models import Project
from routing import rules
from routing.models import DecisionReading, KeptDecision
from routing.rules import Because

logger = logging.getLogger(__name__)

_UNFIT = (TypeError, ValueError, OverflowError, AttributeError, IndexError, OSError)
_ONLY = 1
"""The key of the one row that says how far was read."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the stream: its id, and the text that lay in it."""

    entry_id: str
    text: str | bytes


Fetch = Callable[[str], Sequence[Entry]]
"""Return the entries after one with this id; nothing where there are none."""


def read_on(fetch: Fetch) -> int:
    """Keep what came after what was read last; return how many entries that were.

    Nothing is read while somebody else reads. Rows and place are written in one transaction.
    """
    DecisionReading.objects.get_or_create(pk=_ONLY)
    with transaction.atomic():
        place = DecisionReading.objects.select_for_update(skip_locked=True).filter(pk=_ONLY).first()
        entries = fetch(place.entry_id) if place else ()
        if place and entries:
            _keep(place, entries)
            place.entry_id = entries[-1].entry_id
            place.save()
    return len(entries)


def _keep(place: DecisionReading, entries: Sequence[Entry]) -> None:
    records = list(_records(place, entries))
    named = {record.project for record in records}
    pks = dict(Project.objects.filter(public_id__in=named).values_list("public_id", "pk"))
    rows: list[KeptDecision] = []
    for record in records:
        row = _row(place, record, pks.get(record.project))
        if row is not None and _has_room(place, row):
            rows.append(row)
    KeptDecision.objects.bulk_create(rows, ignore_conflicts=True, batch_size=500)
    place.kept += len(rows)


def _records(place: DecisionReading, entries: Iterable[Entry]) -> Iterable[DecisionRecord]:
    for entry in entries:
        try:
            yield from read_records(entry.text)
        except ValueError as fault:
            place.unread += 1
            logger.warning("an entry of decisions was not understood: %r", fault)


def _row(
    place: DecisionReading, record: DecisionRecord, project: int | None
) -> KeptDecision | None:
    if project is None:
        place.dropped += 1
        return None
    try:
        because = rules.why_kept(record, settings.DECISION_SAMPLE)
        return KeptDecision(
            project_id=project,
            request_id=record.request_id,
            attempt=record.attempt,
            # A gateway whose clock is ahead would have its rows kept for longer.
            at=min(datetime.fromtimestamp(record.at, UTC), clock.now()),
            endpoint=record.endpoint[:63],
            model=record.model[:80],
            worker_id=record.worker_id[:32],
            kept_because=because,
            target=record.came.target,
            ending=record.came.ending[:24],
            ttft_us=record.came.ttft_us,
            body=rules.kept_of(record),
        )
    except _UNFIT as fault:
        place.unread += 1
        logger.warning("a decision was not understood: %r", fault)
        return None


def _has_room(place: DecisionReading, row: KeptDecision) -> bool:
    """Say whether a row may be written: of those for an hour no more than fit."""
    if row.kept_because != Because.RECENT:
        return True
    if place.recent >= rules.RECENT_MAX:
        place.dropped += 1
        return False
    place.recent += 1
    return True
