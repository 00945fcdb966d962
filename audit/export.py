"""The audit log as JSON lines: one entry a line, oldest first, hashes included.

Whoever keeps an export can check it without us: the hash of a line is the SHA-256 of the
hash before it, a line break, and the line itself without its two hashes.
"""

from __future__ import annotations

from collections.abc import Iterator

from audit import rules, selectors
from audit.models import AuditEntry
from audit.selectors import Filter


def json_lines(*, project: str, wanted: Filter | None = None) -> Iterator[str]:
    """Yield the entries of a project in chunks of whole lines; memory stays small."""
    after = 0
    while chunk := selectors.next_entries(project=project, wanted=wanted or Filter(), after=after):
        after = chunk[-1].number
        yield "".join(line(entry) for entry in chunk)


def line(entry: AuditEntry) -> str:
    """Return one entry as a line."""
    hashes = {"prev_hash": entry.prev_hash, "hash": entry.hash}
    return rules.canonical({**entry.said(), **hashes}) + "\n"
