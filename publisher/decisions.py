"""Read decision records (routing trace) from Valkey's stream: what is kept goes to ``routing``.

The stream is capped, and read by level: up to which entry is in PostgreSQL with the rows, so
nothing is kept twice; what was trimmed before anybody read it is lost, and that is no error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import redis

from inference.contracts.records import RECORDS, RECORDS_FIELD
from publisher import store
from routing import intake
from routing.intake import Entry

ENTRIES = 32
"""Read at once; each holds up to 64 records, of up to some kilobytes."""
ROUNDS = 20
"""At most so many times in a row: at 10,000 records a second still in time for the next."""
_FIRST = "0-0"


def read() -> int:
    """Keep what is new on the stream; return how many entries that were. None without Valkey."""
    total = 0
    try:
        for _ in range(ROUNDS):
            count = intake.read_on(_after)
            total += count
            if count < ENTRIES:
                break
    except redis.RedisError:
        return total
    return total


def _after(entry_id: str) -> Sequence[Entry]:
    """Return what follows an entry; from the start where the stream is a younger one than it."""
    newest: Any = store.client().xrevrange(RECORDS, count=1)
    if not newest:
        return ()
    since = entry_id if _number(newest[0][0]) >= _number(entry_id) else _FIRST
    found: Any = store.client().xrange(RECORDS, min=f"({since}", count=ENTRIES)
    return [Entry(_text(name), fields.get(RECORDS_FIELD.encode(), b"")) for name, fields in found]


def _number(entry_id: str | bytes) -> tuple[int, int]:
    milliseconds, _, sequence = _text(entry_id).partition("-")
    return int(milliseconds), int(sequence)


def _text(entry_id: str | bytes) -> str:
    return entry_id.decode() if isinstance(entry_id, bytes) else entry_id
