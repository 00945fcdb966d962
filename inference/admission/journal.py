"""What this process must not forget: every finished request, until PostgreSQL has it.

An entry is in the kernel's hands when ``append`` returns, which is before the last byte of
the answer leaves, and on the disk some milliseconds later. It is dropped only when the
consumer has committed it: what Valkey acknowledged may still go with Valkey's last second.

Each process writes in a folder of its own, which it keeps locked; a starting process adopts
the folders of those that are gone. The journal is bounded, and takes no more requests in
(``trouble``) well before it is full, so that those which run can end.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from inference.admission.segment import Entry, Segment

SEGMENT_BYTES: Final = 8 * 1024 * 1024
SEGMENTS_MAX: Final = 128
SYNC_AFTER_S: Final = 0.01
RETRY_S: Final = 1.0
LOCK: Final = "lock"


@dataclass(frozen=True)
class Bounds:
    """How large a journal may grow."""

    segment_bytes: int = SEGMENT_BYTES
    segments: int = SEGMENTS_MAX


class Folder:
    """A folder of segments that no other process touches while we hold its lock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = os.open(path / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise

    def files(self) -> list[Path]:
        """Return the segment files, oldest first."""
        return sorted(self.path.glob("*.seg"))

    def read(self) -> Iterator[Segment]:
        """Open what a process before us wrote. A file it had only just created is deleted."""
        for file in self.files():
            if file.stat().st_size:
                yield Segment.read(file)
            else:
                file.unlink()

    def release(self) -> None:
        """Unlock it, and delete it if nothing is left in it."""
        if not self.files():
            (self.path / LOCK).unlink()
            self.path.rmdir()
        os.close(self._lock)


class Journal:
    """See the module. Made and used inside the event loop; only syncing has a thread."""

    def __init__(self, home: Path, bounds: Bounds = Bounds()) -> None:
        self._home = home
        self._bounds = bounds
        self._loop = asyncio.get_running_loop()
        self._worker = ThreadPoolExecutor(1, "journal")
        self._folders: list[Folder] = []
        self._old: list[Segment] = []
        self._spare: Segment | None = None
        self._made = 0
        self._timer: asyncio.TimerHandle | None = None
        self._working: asyncio.Task[None] | None = None
        self._dirty: set[Segment] = set()
        self.is_open = False
        self.trouble: str | None = "the journal is not open"
        self.lost = 0
        """Entries that found no room. More than zero means that ``trouble`` came too late."""

    # ── Opening and closing ────────────────────────────────────────────────────────────

    def open(self) -> None:
        """Begin to write, and adopt what processes before us left. Raises ``OSError``."""
        self._home.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self._home / LOCK).open("w") as door:
            # One at a time: a folder that was just made is not locked yet.
            fcntl.flock(door, fcntl.LOCK_EX)
            self._adopt()
            path = self._home / f"gateway-{uuid.uuid4().hex[:12]}"
            path.mkdir(mode=0o700)
            self._own = Folder(path)
        try:
            self._now = self._make_segment()
        except OSError:
            self._own.release()
            raise
        self.is_open = True
        with suppress(OSError):
            self._spare = self._make_segment()
        self._judge()

    def _adopt(self) -> None:
        for path in sorted(self._home.glob("gateway-*")):
            # Another process has its lock, or was faster.
            with suppress(OSError):
                folder = Folder(path)
                self._folders.append(folder)
                self._old += folder.read()

    def _make_segment(self) -> Segment:
        self._made += 1
        return Segment.make(self._own.path / f"{self._made:08d}.seg", self._bounds.segment_bytes)

    async def close(self) -> None:
        """Write everything to the disk and let go. What is unfinished stays for the next."""
        if not self.is_open:
            return
        self.is_open = False
        await self.sync()
        if self._timer is not None:
            self._timer.cancel()
        self._worker.shutdown()
        if self._spare is not None:
            self._spare.remove()
        if self._now.end == 0:
            self._now.remove()
        else:
            self._now.close()
        for segment in self._old:
            segment.close()
        for folder in (*self._folders, self._own):
            folder.release()

    # ── Writing ────────────────────────────────────────────────────────────────────────

    def append(self, payload: bytes, shard: int) -> tuple[Segment, int] | None:
        """Write an entry; return where it is, or nothing if there is no room at all."""
        if self._now.room < len(payload) and not self._turn():
            self.lost += 1
            return None
        segment = self._now
        at = segment.append(payload, shard)
        self._dirty.add(segment)
        if self._timer is None:
            self._timer = self._loop.call_later(SYNC_AFTER_S, self._start_work)
        if segment.room < self._reserve and self._spare is None:
            self._judge()
        return segment, at

    def _turn(self) -> bool:
        if self._spare is None:
            return False
        self._old.append(self._now)
        self._now, self._spare = self._spare, None
        return True

    @property
    def _reserve(self) -> int:
        return self._bounds.segment_bytes // 2

    async def sync(self) -> None:
        """Wait until the disk has every entry, and the next file is there if there is room."""
        while self._working is not None and not self._working.done():
            await self._working
        self._start_work()
        if self._working is not None:
            await self._working

    def _start_work(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._working is None or self._working.done():
            self._working = self._loop.create_task(self._work())
        else:
            self._timer = self._loop.call_later(SYNC_AFTER_S, self._start_work)

    async def _work(self) -> None:
        dirty, self._dirty = self._dirty, set()
        for segment in dirty:
            await self._loop.run_in_executor(self._worker, segment.sync)
        if self._spare is None:
            await self._make_spare()
        self._judge()

    async def _make_spare(self) -> None:
        if len(self._old) + 2 > self._bounds.segments:
            return
        # No room is what ``_judge`` reports, and what is tried again until there is some.
        with suppress(OSError):
            self._spare = await self._loop.run_in_executor(self._worker, self._make_segment)

    def _judge(self) -> None:
        if self._spare is not None or self._now.room >= self._reserve:
            self.trouble = None
            return
        is_full = len(self._old) + 2 > self._bounds.segments
        self.trouble = "the usage journal is full" if is_full else "the disk of the journal is full"
        if self._timer is None:
            self._timer = self._loop.call_later(RETRY_S, self._start_work)

    # ── What became of the entries ─────────────────────────────────────────────────────

    @property
    def pending(self) -> int:
        """How many entries have no place in a usage stream yet."""
        if not self.is_open:
            return 0
        return self._now.pending + sum(segment.pending for segment in self._old)

    def open_entries(
        self, watermarks: list[int], *, again: bool
    ) -> Iterator[tuple[Segment, Entry]]:
        """Return what has to be settled: what has no place, or everything PostgreSQL lacks.

        ``again`` asks for the latter, after Valkey may have lost what it had acknowledged.
        Only what was written before this call: whatever ends meanwhile is told by itself, and
        to follow it would never come to an end under load.
        """
        written = [(segment, segment.end) for segment in (*self._old, self._now)]
        return (
            (segment, entry)
            for segment, end in written
            for entry in segment.entries(end)
            if entry.place == 0 or (again and entry.place > watermarks[entry.shard])
        )

    def confirm(self, watermarks: list[int]) -> None:
        """Drop every file of which PostgreSQL has every entry."""
        if self._working is not None and not self._working.done():
            return  # The thread may be about to sync one of them.
        for segment in [s for s in self._old if s.is_done(watermarks)]:
            self._dirty.discard(segment)
            self._old.remove(segment)
            segment.remove()
        for folder in [f for f in self._folders if not f.files()]:
            self._folders.remove(folder)
            folder.release()

    @property
    def segments(self) -> int:
        """How many files there are."""
        return len(self._old) + 1 + (self._spare is not None)
