"""What workers answered to requests that failed: counted and told, and held against nobody.

An engine that answers is there. Whether its 500 is about the request or about itself can't be
told from one answer, so the counts go to the operator, who sees which worker, which project
and which status, and decides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

COUNTED_MAX: Final = 2000
"""Label sets are kept for ever by whoever scrapes: beyond so many, projects share one."""

TELL_EVERY_S: Final = 60.0
LATE: Final = "late"
IMPLAUSIBLE: Final = "implausible_usage"
"""It claims tokens that can't be so (``claims``)."""
CREDENTIAL: Final = (401, 402, 403, 407)
"""The worker refused us, not the request: only the operator can mend that."""


@dataclass
class _Count:
    """How often, and what of that was told. ``told_at`` is in seconds of the loop."""

    seen: int = 0
    told: int = 0
    told_at: float = -TELL_EVERY_S


class Faults:
    """Counts by worker, project and kind: a status, or *late*. ``say`` writes to the log."""

    def __init__(self, now: Callable[[], float], say: Callable[..., None]) -> None:
        self._now = now
        self._say = say
        self._counts: dict[tuple[str, str, str], _Count] = {}

    def count(self, worker_id: str, project: str, status: int, kind: str = "") -> None:
        """Count one; ``status`` 0 is an answer that was not there in its asker's time."""
        kind = kind or (str(status) if status else LATE)
        counts, key = self._counts, (worker_id, project, kind)
        if key not in counts and len(counts) >= COUNTED_MAX:
            key = ("other", "other", kind)
        entry = counts.setdefault(key, _Count())
        entry.seen += 1
        if self._now() - entry.told_at >= TELL_EVERY_S:
            self._tell(key, entry, status)

    def counts(self) -> dict[str, int]:
        """Return all counts, by labels as ``scrape`` reads them."""
        return {"\t".join(key): entry.seen for key, entry in self._counts.items()}

    def _tell(self, key: tuple[str, str, str], entry: _Count, status: int) -> None:
        worker_id, project, kind = key
        is_ours = status in CREDENTIAL
        event = "worker_refuses_our_credential" if is_ours else "worker_answered_errors"
        level, times = "error" if is_ours else "warning", entry.seen - entry.told
        self._say(event, level, worker_id=worker_id, project=project, kind=kind, times=times)
        entry.told, entry.told_at = entry.seen, self._now()
