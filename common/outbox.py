"""Tell higher layers that something changed, without knowing who listens.

The note says *what* changed, never *how*: a reader loads the row as it is now. That
makes notes safe to repeat, to reorder and to lose the older of two.

Each reader has a delivery of its own for each note of its topics, written in the same
transaction as the note. It is tried at once, after the commit; what that does not bring
there (the process died, the other end is away) the beat brings (``common.deliveries``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from django.db import transaction

from common import clock
from common.models import OutboxDelivery, OutboxEntry


class Away(Exception):
    """The reader's other end does not answer: all its notes wait, and none is to blame."""


class NotYet(Exception):
    """The other end refuses this note for now: it waits, the others go on."""


class NobodyReads(LookupError):
    """Something was announced that has no reader: it would have been lost without a word."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Who takes notes of some topics. ``take`` may be called twice with the same note.

    ``take`` raises ``Away`` or ``NotYet`` when it is not the note's fault; anything else counts
    against the note.
    """

    name: str
    topics: frozenset[str]
    take: Callable[[OutboxEntry], None]


_readers: dict[str, Reader] = {}


def register(reader: Reader) -> None:
    """Deliver the notes of its topics to ``reader`` from now on."""
    _readers[reader.name] = reader


def readers() -> dict[str, Reader]:
    """Return who is registered, by name."""
    return dict(_readers)


def announce(topic: str, subject_id: object) -> None:
    """Record that ``subject_id`` changed, in the caller's transaction.

    Raises ``NobodyReads`` for a topic without a reader.
    """
    names = [reader.name for reader in _readers.values() if topic in reader.topics]
    if not names:
        raise NobodyReads(f"No reader is registered for notes of the topic “{topic}”.")
    note = OutboxEntry.objects.create(topic=topic, subject_id=str(subject_id))
    deliveries = OutboxDelivery.objects.bulk_create(
        OutboxDelivery(note=note, reader=name, due_at=clock.now()) for name in names
    )
    for delivery in deliveries:
        # Robust: the change is committed, whatever becomes of the news of it.
        transaction.on_commit(partial(_carry, delivery.pk), robust=True)


def is_carried(topic: str, subject_id: object) -> bool:
    """Say whether every note of this has reached all its readers."""
    waiting = OutboxEntry.objects.filter(topic=topic, subject_id=str(subject_id), sent_at=None)
    return not waiting.exists()


def _carry(delivery_id: int) -> None:
    # Imported late: it reads the registry above.
    from common import deliveries  # noqa: PLC0415

    deliveries.carry(delivery_id)
