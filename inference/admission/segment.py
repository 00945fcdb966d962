"""One file of a journal: entries one after the other in a file that was allocated beforehand.

The file is mapped into memory, so that an entry is written by a copy and not by a system
call, and is the kernel's, not ours, from then on: killing the process loses nothing. As its
blocks exist already, a full disk is met when the next file is made and never by an entry.
"""

from __future__ import annotations

import mmap
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from typing import Final

_HEAD: Final = Struct("<IIQB")
_PLACE: Final = Struct("<Q")
_PLACE_AT: Final = 8
_SEQUENCE_BITS: Final = 20


@dataclass(frozen=True)
class Entry:
    """A payload, and where it became part of its shard's usage stream (0: not known to be)."""

    at: int
    place: int
    shard: int
    payload: bytes


class Segment:
    """A file of entries. ``pending`` counts those that have no place in a stream yet."""

    def __init__(self, path: Path, descriptor: int, size: int) -> None:
        self.path = path
        self.size = size
        self.end = 0
        self.pending = 0
        self.highest: dict[int, int] = {}
        self._descriptor = descriptor
        self._map = mmap.mmap(descriptor, size)

    @classmethod
    def make(cls, path: Path, size: int) -> Segment:
        """Make an empty one. Raises ``OSError`` if there is no room for all of it."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, size)
            return cls(path, descriptor, size)
        except OSError:
            os.close(descriptor)
            path.unlink()
            raise

    @classmethod
    def read(cls, path: Path) -> Segment:
        """Open one that another process wrote, up to the first entry that is not whole."""
        descriptor = os.open(path, os.O_RDWR)
        segment = cls(path, descriptor, os.fstat(descriptor).st_size)
        for entry in segment.entries():
            segment.end = entry.at + _HEAD.size + len(entry.payload)
            segment.pending += entry.place == 0
            segment._note(entry.shard, entry.place)
        return segment

    @property
    def room(self) -> int:
        """How many bytes of payload still fit, in one entry."""
        return self.size - self.end - _HEAD.size

    def append(self, payload: bytes, shard: int) -> int:
        """Write an entry that fits; return where it is."""
        at = self.end
        head = _HEAD.pack(len(payload), zlib.crc32(payload), 0, shard)
        self.end = end = at + len(head) + len(payload)
        self._map[at:end] = head + payload
        self.pending += 1
        return at

    def settle(self, at: int, place: int, shard: int) -> None:
        """Note where an entry stands in its stream."""
        if _PLACE.unpack_from(self._map, at + _PLACE_AT)[0] == 0:
            self.pending -= 1
        _PLACE.pack_into(self._map, at + _PLACE_AT, place)
        self._note(shard, place)

    def _note(self, shard: int, place: int) -> None:
        self.highest[shard] = max(self.highest.get(shard, 0), place)

    def is_done(self, watermarks: list[int]) -> bool:
        """Say whether PostgreSQL has every entry."""
        if self.pending:
            return False
        return all(place <= watermarks[shard] for shard, place in self.highest.items())

    def entries(self, end: int | None = None) -> Iterator[Entry]:
        """Read every whole entry before ``end``, oldest first.

        What follows a broken one was never promised.
        """
        at, last = 0, (self.size if end is None else end) - _HEAD.size
        while at <= last:
            length, checksum, place, shard = _HEAD.unpack_from(self._map, at)
            begin = at + _HEAD.size
            payload = self._map[begin : begin + length]
            if not length or len(payload) != length or zlib.crc32(payload) != checksum:
                return
            yield Entry(at, place, shard, payload)
            at = begin + length

    def sync(self) -> None:
        """Wait until the disk has it. May be called from another thread."""
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Let go of the file."""
        self._map.close()
        os.close(self._descriptor)

    def remove(self) -> None:
        """Delete the file: nobody needs it any more."""
        self.close()
        self.path.unlink()


def place_of(text: bytes) -> int:
    """Read a stream id (``1795417311052-3``) as one number that grows as ids do."""
    milliseconds, _, sequence = text.partition(b"-")
    return int(milliseconds) << _SEQUENCE_BITS | min(int(sequence or 0), (1 << _SEQUENCE_BITS) - 1)
