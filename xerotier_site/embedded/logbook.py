"""What children say: kept in bounded files, and the lines that matter shown on the console."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO

FILE_MAX_BYTES = 5_000_000
"""A file of this size becomes ``NAME.log.1``, and the one before it goes."""

Shown = Callable[[str], bool]


def nothing(_line: str) -> bool:
    """Show nothing."""
    return False


def what_a_person_wants(line: str) -> bool:
    """Show all plain lines (mail, tracebacks), and of the JSON ones only the bad news."""
    if not line.startswith("{"):
        return True
    try:
        level = json.loads(line).get("level", "")
    except ValueError:
        return True
    return str(level).lower() in {"warning", "error", "critical"}


def say(line: str) -> None:
    """Write a line to the console; a console that is gone is no reason to stop."""
    try:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    except OSError:
        return


class Logbook:
    """The output of one part over all its lives."""

    def __init__(
        self,
        folder: Path,
        name: str,
        *,
        shows: Shown = nothing,
        max_bytes: int = FILE_MAX_BYTES,
    ) -> None:
        self.path = folder / f"{name}.log"
        self.last_line = ""
        self._shows = shows
        self._max_bytes = max_bytes
        self._file: IO[str] | None = None

    def follow(self, pipe: IO[bytes]) -> None:
        """Read a child's output to its end, in a thread of its own."""
        threading.Thread(target=self._copy, args=[pipe], daemon=True).start()

    def _copy(self, pipe: IO[bytes]) -> None:
        for raw in pipe:
            line = raw.decode(errors="replace").rstrip()
            self.last_line = line or self.last_line
            self._keep(line)
            if self._shows(line):
                say(line)
        pipe.close()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _keep(self, line: str) -> None:
        try:
            if self._file is None or self._file.tell() > self._max_bytes:
                self._file = self._fresh_file()
            self._file.write(f"{line}\n")
        except OSError:
            # A full disk must not stop the child: it waits for us to read its pipe.
            return

    def _fresh_file(self) -> IO[str]:
        if self._file is not None:
            self._file.close()
            self.path.replace(self.path.with_suffix(".log.1"))
        return self.path.open("a", buffering=1)
