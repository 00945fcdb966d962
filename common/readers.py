"""Who takes the notes of the outbox, and how a reader says that it can't take one now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from common.models import OutboxEntry


class Away(Exception):
    """The reader's other end does not answer: all its notes wait, and none is to blame."""


class NotYet(Exception):
    """The other end refuses this note for now: it waits, the others go on."""


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


def registered() -> dict[str, Reader]:
    """Return who is registered, by name."""
    return dict(_readers)
