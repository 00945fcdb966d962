"""Tell higher layers that something changed, without knowing who listens.

The note says *what* changed, never *how*: a reader loads the row as it is now. That
makes notes safe to repeat, to reorder and to lose the older of two.

Each reader has a delivery of its own for each note of its topics, written in the same
transaction as the note. It is tried at once, after the commit; what that does not bring
there (the process died, the other end is away) the beat brings (``common.deliveries``).
"""

from __future__ import annotations

from functools import partial

from django.db import transaction

from common import clock, deliveries, readers
from common.models import OutboxDelivery, OutboxEntry


class NobodyReads(LookupError):
    """Something was announced that has no reader: it would have been lost without a word."""


def announce(topic: str, subject_id: object) -> None:
    """Record that ``subject_id`` changed, in the caller's transaction.

    Raises ``NobodyReads`` for a topic without a reader.
    """
    names = [reader.name for reader in readers.registered().values() if topic in reader.topics]
    if not names:
        raise NobodyReads(f"No reader is registered for notes of the topic “{topic}”.")
    note = OutboxEntry.objects.create(topic=topic, subject_id=str(subject_id))
    made = OutboxDelivery.objects.bulk_create(
        OutboxDelivery(note=note, reader=name, due_at=clock.now()) for name in names
    )
    for delivery in made:
        # Robust: the change is committed, whatever becomes of the news of it.
        transaction.on_commit(partial(deliveries.carry, delivery.pk), robust=True)
