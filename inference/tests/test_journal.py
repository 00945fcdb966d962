"""The journal keeps every whole entry, through torn tails, full disks and dead processes."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from inference.admission.journal import Bounds, Journal
from inference.admission.segment import Segment, place_of
from inference.contracts.names import SHARDS

pytestmark = pytest.mark.anyio

SMALL = Bounds(segment_bytes=4096, segments=4)
NOTHING = [0] * SHARDS
EVERYTHING = [place_of(b"9999999999999-0")] * SHARDS


@asynccontextmanager
async def journal_in(home: Path, bounds: Bounds = SMALL) -> AsyncIterator[Journal]:
    journal = Journal(home, bounds)
    journal.open()
    yield journal
    await journal.close()


def payloads(
    journal: Journal, watermarks: list[int] = NOTHING, *, again: bool = False
) -> list[bytes]:
    return [entry.payload for _, entry in journal.open_entries(watermarks, again=again)]


def folders(home: Path) -> list[Path]:
    return list(home.glob("gateway-*"))


async def test_next_process_finds_what_was_not_settled(tmp_path: Path) -> None:
    async with journal_in(tmp_path) as journal:
        journal.append(b"one", 3)
        settled = journal.append(b"two", 3)
        assert settled is not None
        settled[0].settle(settled[1], place_of(b"17-0"), 3)

    async with journal_in(tmp_path) as journal:
        assert payloads(journal) == [b"one"]
        assert payloads(journal, again=True) == [b"one", b"two"]
        past = list(NOTHING)
        past[3] = place_of(b"17-0")
        assert payloads(journal, past, again=True) == [b"one"]


async def test_replay_does_not_follow_what_ends_meanwhile(tmp_path: Path) -> None:
    async with journal_in(tmp_path) as journal:
        journal.append(b"before", 3)
        entries = journal.open_entries(NOTHING, again=True)
        journal.append(b"meanwhile", 3)
        assert [entry.payload for _, entry in entries] == [b"before"]


async def test_reading_twice_finds_the_same(tmp_path: Path) -> None:
    async with journal_in(tmp_path) as journal:
        journal.append(b"one", 0)

    for _ in range(2):
        async with journal_in(tmp_path) as journal:
            assert payloads(journal) == [b"one"]


def test_file_cut_or_torn_at_any_byte_of_its_tail_gives_every_entry_before(tmp_path: Path) -> None:
    path = tmp_path / "1.seg"
    segment = Segment.make(path, 256)
    whole = [b"first entry", b"second", b"the third one"]
    for payload in whole:
        segment.append(payload, 0)
    last = segment.end - len(whole[-1]) - 17
    end = segment.end
    segment.close()
    written = path.read_bytes()

    for cut in range(last, end):
        for rest in (b"", bytes(256 - cut), b"\xff" * (256 - cut)):
            path.write_bytes(written[:cut] + rest)
            found = Segment.read(path)
            assert [entry.payload for entry in found.entries()] == whole[:2]
            found.close()
    path.write_bytes(written)
    found = Segment.read(path)
    assert [entry.payload for entry in found.entries()] == whole
    found.close()


async def test_entry_survives_the_kill_of_its_process_without_any_sync(tmp_path: Path) -> None:
    script = """
import asyncio, os, pathlib, signal, sys
from inference.admission.journal import Journal
async def main():
    journal = Journal(pathlib.Path(sys.argv[1]))
    journal.open()
    for number in range(1000):
        journal.append(b"entry %d" % number, number % 64)
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""
    died = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)  # noqa: S603, ASYNC221

    assert died.returncode == -9
    async with journal_in(tmp_path) as journal:
        assert payloads(journal) == [b"entry %d" % number for number in range(1000)]


async def test_living_process_keeps_its_folder_to_itself(tmp_path: Path) -> None:
    async with journal_in(tmp_path) as mine:
        mine.append(b"mine", 0)
        async with journal_in(tmp_path) as other:
            assert payloads(other) == []


async def test_files_go_when_postgresql_has_all_of_them_and_not_before(tmp_path: Path) -> None:
    async with journal_in(tmp_path) as journal:
        for number in range(8):
            written = journal.append(bytes([65]) * 1000, 5)
            assert written is not None
            written[0].settle(written[1], place_of(b"%d-0" % (100 + number)), 5)
            await journal.sync()
        assert journal.segments == 3

        behind = list(EVERYTHING)
        behind[5] = place_of(b"102-0")
        journal.confirm(behind)
        assert journal.segments == 3
        behind[5] = place_of(b"103-0")
        journal.confirm(behind)
        assert journal.segments == 2


async def test_folder_of_a_dead_process_goes_with_its_last_file(tmp_path: Path) -> None:
    async with journal_in(tmp_path) as journal:
        journal.append(b"one", 0)
    async with journal_in(tmp_path) as journal:
        assert len(folders(tmp_path)) == 2
        ((segment, entry),) = journal.open_entries(NOTHING, again=False)
        segment.settle(entry.at, place_of(b"5-0"), entry.shard)

        journal.confirm(EVERYTHING)

        assert len(folders(tmp_path)) == 1
    assert folders(tmp_path) == []


async def test_full_journal_says_so_while_there_is_room_for_what_runs(tmp_path: Path) -> None:
    async with journal_in(tmp_path) as journal:
        written = 0
        while journal.trouble is None:
            assert journal.append(b"x" * 100, 0) is not None
            written += 1
            await journal.sync()

        room_left = 0
        while journal.append(b"x" * 100, 0) is not None:
            room_left += 1

        assert journal.trouble == "the usage journal is full"
        assert room_left * 117 > SMALL.segment_bytes // 2 - 2 * 117
        assert journal.lost == 1
        assert len(payloads(journal)) == written + room_left


async def test_full_journal_takes_requests_again_once_it_was_emptied(tmp_path: Path) -> None:
    async with journal_in(tmp_path) as journal:
        while journal.trouble is None:
            journal.append(b"x" * 100, 0)
            await journal.sync()
        for segment, entry in journal.open_entries(NOTHING, again=False):
            segment.settle(entry.at, place_of(b"5-0"), 0)

        journal.confirm(EVERYTHING)
        await journal.sync()

        assert journal.trouble is None


async def test_full_disk_is_met_before_an_entry_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(_descriptor: int, _offset: int, _length: int) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    async with journal_in(tmp_path) as journal:
        monkeypatch.setattr(os, "posix_fallocate", no_room)
        kept = 0
        while journal.trouble is None:
            assert journal.append(b"x" * 100, 0) is not None
            kept += 1
            await journal.sync()

        assert journal.trouble == "the disk of the journal is full"
        assert journal.append(b"last", 0) is not None
        assert len(payloads(journal)) == kept + 1
        monkeypatch.undo()
        await journal.sync()
        assert journal.trouble is None


async def test_start_on_a_full_disk_fails_instead_of_running_unmetered(tmp_path: Path) -> None:
    script = """
import asyncio, pathlib, resource, sys
from inference.admission.journal import Journal
resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
async def main():
    try:
        Journal(pathlib.Path(sys.argv[1])).open()
    except OSError as fault:
        print("refused", fault.errno)
asyncio.run(main())
"""
    said = subprocess.run(  # noqa: S603, ASYNC221
        [sys.executable, "-c", script, str(tmp_path)], check=True, capture_output=True, text=True
    )

    assert said.stdout.startswith("refused")
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 65536
