"""How entries are chained, and how a chain shows that somebody touched it.

Every link carries the hash of the one before it, so a change anywhere breaks the chain
exactly there. Pure: the same functions write the chain and check it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any

GENESIS = "0" * 64
"""What the first link of a chain names as the one before it."""
HIDDEN = "[hidden]"

_SECRET_NAME = re.compile(r"secret|passw|token$|digest|credential|pepper|private|cookie", re.I)
_SECRET_TEXT = re.compile(
    r"\b(?:(?:xero|xjk)_[a-z][a-z0-9-]*_|xerop_)[0-9A-Za-z]{16,}|\beyJ[\w-]{8,}\.[\w.-]+"
)


class Damage(StrEnum):
    """What can be wrong with a link."""

    EDITED = "edited"
    REWRITTEN = "rewritten"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Link:
    """One row of a chain as it stands in the table: ``said`` is everything that is hashed."""

    number: int
    said: Mapping[str, Any]
    prev_hash: str
    hash: str

    @property
    def is_intact(self) -> bool:
        """Say whether the row still is what its own hash says."""
        return self.hash == hash_of(self.prev_hash, self.said)


@dataclass(frozen=True, slots=True)
class Fault:
    """A place where a chain is broken; ``until`` is the last of a run of missing numbers."""

    number: int
    damage: Damage
    until: int

    @classmethod
    def at(cls, number: int, damage: Damage) -> Fault:
        """Return the fault of a single row."""
        return cls(number, damage, number)


def hash_of(prev_hash: str, said: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a link, in hexadecimal."""
    return hashlib.sha256(f"{prev_hash}\n{canonical(said)}".encode()).hexdigest()


def canonical(said: Mapping[str, Any]) -> str:
    """Write a value in the one way in which it is hashed: sorted, tight, in UTC."""
    return json.dumps(plain(said), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def plain(value: Any) -> Any:
    """Reduce a value to what comes back from a JSON column exactly as it went in.

    Fractions become text: PostgreSQL may print a number in another way than Python.
    """
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return [plain(inner) for inner in value]
    # What PostgreSQL can't keep may not be hashed: zero bytes, halves of a surrogate pair.
    return str(value).replace("\x00", "").encode(errors="replace").decode()


def without_secrets(value: Any, name: str = "") -> Any:
    """Return a plain value with everything hidden that looks like a secret, by name or by form.

    The second wall: services hand over no secrets in the first place.
    """
    if isinstance(value, dict):
        return {key: without_secrets(inner, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [without_secrets(inner, name) for inner in value]
    if value not in (None, "") and _SECRET_NAME.search(name):
        return HIDDEN
    return _SECRET_TEXT.sub(HIDDEN, value) if isinstance(value, str) else value


def faults(links: Iterable[Link]) -> Iterator[Fault]:
    """Yield every place where a chain is broken; ``links`` come in the order of their numbers.

    An edited row no longer matches its own hash. One rewritten together with its hash is
    given away by the next row, which remembers the old one. The last rows of a chain can
    only be missed by whoever noted its head: the chain of anchors.
    """
    before = Link(0, {}, "", GENESIS)
    was_intact = True
    for link in links:
        has_gap = link.number > before.number + 1
        if has_gap:
            yield Fault(before.number + 1, Damage.MISSING, link.number - 1)
        is_intact = link.is_intact
        if not is_intact:
            yield Fault.at(link.number, Damage.EDITED)
        elif not has_gap and was_intact and link.prev_hash != before.hash:
            yield Fault.at(before.number or link.number, Damage.REWRITTEN)
        before, was_intact = link, is_intact
