"""What all links of a process did, for metrics. Counts are never reset."""

from __future__ import annotations

from typing import Final

from inference.fleet.tunnel import closing

REASONS: Final = frozenset(range(1, 12))
"""Codes of RESET that there are."""


class Counts:
    """See the module."""

    def __init__(self) -> None:
        self.opened = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self.closed: dict[int, int] = {}
        """Links that ended, by close code."""
        self.resets: dict[int, int] = {}
        """Streams that agents gave up, by code."""
        self.dropped: dict[str, int] = {}
        """Frames that nobody waited for."""

    def close(self, code: int) -> None:
        """Count a link that ended; codes that others made up are one."""
        known = code if code in closing.KNOWN else 0
        self.closed[known] = self.closed.get(known, 0) + 1

    def reset(self, code: int) -> None:
        """Count a stream that an agent gave up; codes that nobody knows are one."""
        known = code if code in REASONS else 0
        self.resets[known] = self.resets.get(known, 0) + 1

    def drop(self, kind: str) -> None:
        """Count a frame for a stream that is over."""
        self.dropped[kind] = self.dropped.get(kind, 0) + 1
