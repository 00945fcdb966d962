"""Bring notes to their readers: each by itself, again after a pause, aside after too many failures.

Every delivery is tried in a transaction of its own, on a locked row that others skip: two beats
share the work, and a process that dies loses one mark at most.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from enum import Enum

from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet

from common import clock, readers
from common.models import OutboxDelivery, OutboxEntry

logger = logging.getLogger(__name__)

BATCH = 500
"""How many are tried in one turn of the beat."""
PAUSE_MAX_S = 300
REFUSED_PAUSE_MAX_S = 5
"""For what is not the note's fault: nobody counts, and it ends by itself."""
FAILURES_MAX = 10
"""With the pauses between them that is a quarter of an hour."""
KEEP = timedelta(days=7)
"""Notes that arrived are kept so long: to look something up."""
FAULT_MAX = 500


class Ending(Enum):
    """What came of one try."""

    DONE = "done"
    WAITS = "waits"
    AWAY = "away"


def pause_after(failures: int, *, is_to_blame: bool) -> timedelta:
    """Return how long to wait before the next try."""
    longest = PAUSE_MAX_S if is_to_blame else REFUSED_PAUSE_MAX_S
    return timedelta(seconds=min(2 ** min(failures, 16), longest))


def carry(delivery_id: int) -> Ending:
    """Try one delivery now, unless somebody else is at it."""
    with transaction.atomic():
        delivery = _lock(_open().filter(pk=delivery_id))
        return _try(delivery) if delivery else Ending.WAITS


def carry_due() -> int:
    """Try what is due, oldest first; return how many notes arrived.

    A reader whose other end is away is left alone until the next turn; one note's failure
    delays nobody but itself.
    """
    names = set(readers.registered())
    arrived = 0
    for _ in range(BATCH):
        with transaction.atomic():
            due = _open().filter(due_at__lte=clock.now(), reader__in=names)
            delivery = _lock(due.order_by("id"))
            if delivery is None:
                break
            ending = _try(delivery)
        arrived += ending is Ending.DONE
        if ending is Ending.AWAY:
            names.discard(delivery.reader)
    return arrived


def retry(delivery: OutboxDelivery) -> Ending:
    """Try a delivery that was set aside once more, with all its patience back."""
    OutboxDelivery.objects.filter(pk=delivery.pk, done_at=None).update(
        shelved_at=None, attempts=0, due_at=clock.now()
    )
    return carry(delivery.pk)


def drop(delivery: OutboxDelivery) -> None:
    """Give a delivery up: its reader never has the note."""
    with transaction.atomic():
        _mark_done(delivery)


def set_aside() -> QuerySet[OutboxDelivery]:
    """Return the deliveries that nobody tries any more."""
    return OutboxDelivery.objects.exclude(shelved_at=None).filter(done_at=None).order_by("id")


def forget_sent() -> int:
    """Delete notes that arrived everywhere a week ago; return how many rows went."""
    return OutboxEntry.objects.filter(sent_at__lt=clock.now() - KEEP).delete()[0]


def _open() -> QuerySet[OutboxDelivery]:
    return OutboxDelivery.objects.filter(done_at=None, shelved_at=None).select_related("note")


def _lock(rows: QuerySet[OutboxDelivery]) -> OutboxDelivery | None:
    return rows.select_for_update(skip_locked=True, of=("self",)).first()


def _try(delivery: OutboxDelivery) -> Ending:
    reader = readers.registered()[delivery.reader]
    try:
        # A savepoint: what a reader breaks is taken back, and our mark can still be made.
        with transaction.atomic():
            reader.take(delivery.note)
    except readers.Away as fault:
        logger.warning("notes to the %s wait: %s", reader.name, fault)
        return Ending.AWAY
    except readers.NotYet as fault:
        _put_off(delivery, str(fault), is_to_blame=False)
        return Ending.WAITS
    except Exception as fault:
        # Whatever is wrong with this note or its reader, those behind it must go on.
        logger.exception("note %s can't be carried to the %s", delivery.note, reader.name)
        _put_off(delivery, f"{type(fault).__name__}: {fault}", is_to_blame=True)
        return Ending.WAITS
    _mark_done(delivery)
    return Ending.DONE


def _put_off(delivery: OutboxDelivery, fault: str, *, is_to_blame: bool) -> None:
    now = clock.now()
    failures = delivery.attempts + 1
    shelved_at = now if is_to_blame and failures >= FAILURES_MAX else None
    OutboxDelivery.objects.filter(pk=delivery.pk).update(
        attempts=failures,
        due_at=now + pause_after(failures, is_to_blame=is_to_blame),
        shelved_at=shelved_at,
        fault=fault[:FAULT_MAX],
    )


def _mark_done(delivery: OutboxDelivery) -> None:
    # The note is locked first: of two readers that end at once, the second sees the first's mark.
    OutboxEntry.objects.select_for_update().get(pk=delivery.note_id)
    now = clock.now()
    OutboxDelivery.objects.filter(pk=delivery.pk).update(
        done_at=now, shelved_at=None, attempts=F("attempts") + 1
    )
    waiting = OutboxDelivery.objects.filter(note=OuterRef("pk"), done_at=None)
    OutboxEntry.objects.filter(~Exists(waiting), pk=delivery.note_id).update(sent_at=now)
