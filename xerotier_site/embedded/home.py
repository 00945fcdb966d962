"""The folder that holds a platform: made, checked, and locked against a second one."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from xerotier_site.embedded.binaries import is_open_to
from xerotier_site.embedded.faults import CannotStart, storage_fault
from xerotier_site.embedded.process import Account

SPACE_BYTES = 300_000_000
"""What a first start writes, and a little to work with."""
ELSEWHERE = Path("/var/lib/xerotier")


@dataclass(frozen=True, slots=True)
class Home:
    """Where everything of one platform lies. ``data`` is the databases' part of it."""

    path: Path
    data: Path
    lock: IO[str]

    @property
    def is_split(self) -> bool:
        """Say whether the databases had to be kept elsewhere."""
        return self.data != self.path

    def file(self, name: str) -> Path:
        """Return the place of one of our own files."""
        return self.path / name

    def folder(self, name: str) -> Path:
        """Return a folder of our own."""
        folder = self.path / name
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder


def occupy(
    path: Path,
    account: Account | None,
    *,
    space_bytes: int = SPACE_BYTES,
    elsewhere: Path = ELSEWHERE,
) -> Home:
    """Make the folder if it is new, and hold it until this process ends.

    Raises ``CannotStart`` when it cannot be used, or another platform runs on it.
    """
    try:
        # With servers of another user in it, the folder itself must let them through.
        path.mkdir(mode=0o711 if account else 0o700, parents=True, exist_ok=True)
        _check_space(path, space_bytes)
        _check_writable(path)
        return Home(path, _data_folder(path, account, elsewhere), _lock(path))
    except OSError as fault:
        raise storage_fault(fault, path) from fault


def _data_folder(path: Path, account: Account | None, elsewhere: Path) -> Path:
    if is_open_to(path, account):
        return path
    # Root below a closed folder such as /root: the servers' user cannot walk down to it.
    folder = elsewhere / hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:12]
    folder.mkdir(mode=0o711, parents=True, exist_ok=True)
    return folder


def _check_space(path: Path, needed: int) -> None:
    free = shutil.disk_usage(path).free
    if free < needed:
        raise CannotStart(
            f"The disk that holds {path} is full: {free // 1_000_000} MB are free, "
            f"{needed // 1_000_000} are needed."
        )


def _check_writable(path: Path) -> None:
    probe = path / ".probe"
    probe.write_text("x")
    probe.unlink()


def _lock(path: Path) -> IO[str]:
    lock = (path / "lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as clash:
        with lock:
            lock.seek(0)
            holder = lock.read().strip()
        raise CannotStart(
            f"A platform already runs on {path} (process {holder}). "
            "Stop it, or set XEROTIER_HOME to another folder."
        ) from clash
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock
