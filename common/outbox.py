"""Tell higher layers that something changed, without knowing who listens.

The note says *what* changed, never *how*: a reader loads the row as it is now. That
makes notes safe to repeat, to reorder and to lose the older of two.

``listen`` is how the publisher hears of a note at once, after the commit. It is an
optimisation: a note that nobody heard (the process died, Valkey was away) stays
unsent in the table, and the beat carries it a second later.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from django.db import transaction

from common.models import OutboxEntry

Listener = Callable[[OutboxEntry], object]
_listeners: list[Listener] = []


def listen(listener: Listener) -> None:
    """Call ``listener`` with each note once its transaction has committed."""
    _listeners.append(listener)


def announce(topic: str, subject_id: object) -> None:
    """Record that ``subject_id`` changed, in the caller's transaction."""
    entry = OutboxEntry.objects.create(topic=topic, subject_id=str(subject_id))
    for listener in _listeners:
        transaction.on_commit(partial(listener, entry))


def is_carried(topic: str, subject_id: object) -> bool:
    """Say whether every note of this has arrived."""
    waiting = OutboxEntry.objects.filter(topic=topic, subject_id=str(subject_id), sent_at=None)
    return not waiting.exists()
