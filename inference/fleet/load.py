"""What workers have been given, and how it went: counts of requests, whatever carries them."""

from __future__ import annotations

from dataclasses import dataclass


class Load:
    """What one worker has been given, and how it went. Counts, never reset."""

    __slots__ = ("asked", "failed", "in_flight", "retried")

    def __init__(self) -> None:
        self.asked = self.failed = self.in_flight = self.retried = 0


@dataclass(frozen=True)
class WorkerStats:
    """Counts of one worker since the process began, and what is in flight now."""

    in_flight: int
    asked: int
    failed: int
    retried: int


def stats_of(load: Load) -> WorkerStats:
    """Return the counts as they are now."""
    return WorkerStats(load.in_flight, load.asked, load.failed, load.retried)
