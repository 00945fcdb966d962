"""Processes of a benchmark: started pinned, measured from /proc, ended by their ids."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

HERE = Path(__file__).resolve().parent
BUILD = HERE / "build"
NATIVE = ("mock", "load", "prio", "calib")
TICK = os.sysconf("SC_CLK_TCK")
NICE = "-10"
"""On a shared machine wake-ups wait milliseconds behind other users' work without it."""


@dataclass(frozen=True, slots=True)
class Process:
    """One line of the process table."""

    parent: int
    session: int
    ticks: int


def build() -> None:
    """Compile the mock upstream, the load generator and their two helpers, once."""
    BUILD.mkdir(exist_ok=True)
    for name in NATIVE:
        source, binary = HERE / "native" / f"{name}.c", BUILD / name
        if not binary.exists() or binary.stat().st_mtime < source.stat().st_mtime:
            subprocess.run(["cc", "-O2", "-w", "-o", binary, source], check=True)


def pinned(cpu: int, command: Sequence[str]) -> list[str]:
    """Return a command that runs on one processor, ahead of other users of the machine."""
    return [str(BUILD / "prio"), NICE, "100", str(cpu), *command]


def go_first() -> None:
    """Run this process ahead of others, where we may: it is what measures."""
    with contextlib.suppress(PermissionError):
        os.nice(int(NICE))


def raise_files(wanted: int) -> None:
    """Let this process, and what it starts, have so many files open, as far as that is allowed."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, most), most))


def start(
    command: Sequence[str],
    *,
    cpu: int,
    log: IO[bytes],
    env: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start a command pinned, in a session of its own, so that all of it can be found."""
    return subprocess.Popen(
        pinned(cpu, command),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        env={**os.environ, **(env or {})},  # noqa: TID251 - handed on, not read
        cwd=folder,
        start_new_session=True,
    )


def stop(process: subprocess.Popen[bytes], patience_s: float = 5.0) -> None:
    """End a process and everything it started."""
    family = tree(process.pid)
    for signum in (signal.SIGTERM, signal.SIGKILL):
        for pid in family | tree(process.pid):
            _send(pid, signum)
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            process.poll()
            if not any(_is_alive(pid) for pid in family):
                return
            time.sleep(0.05)


def tree(root: int) -> set[int]:
    """Return the ids of a process, its session and all descendants."""
    table = _processes()
    found = {pid for pid, line in table.items() if root in (pid, line.session)}
    while True:
        more = {pid for pid, line in table.items() if line.parent in found} - found
        if not more:
            return found
        found |= more


def cpu_seconds(root: int) -> float:
    """Return the processor time that a process and its family have used."""
    table = _processes()
    return sum(table[pid].ticks for pid in tree(root) if pid in table) / TICK


def rss_mib(root: int) -> float:
    """Return the resident memory of a process and its family."""
    total = 0
    for pid in tree(root):
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
        except OSError:
            continue
        match = re.search(r"^Rss:\s+(\d+)", text, re.MULTILINE)
        total += int(match[1]) if match else 0
    return total / 1024


def busy_seconds(cpu: int) -> float:
    """Return how long a processor has been busy since boot, whoever used it."""
    text = Path("/proc/stat").read_text(encoding="ascii")
    match = re.search(rf"^cpu{cpu} (.*)$", text, re.MULTILINE)
    fields = [int(value) for value in match[1].split()[:8]] if match else [0] * 8
    return (sum(fields) - fields[3] - fields[4]) / TICK


def wait_for_quiet(budget_s: float, limit: float = 0.3) -> None:
    """Wait, up to a budget, until others leave both processors mostly alone."""
    deadline = time.monotonic() + budget_s
    while time.monotonic() < deadline:
        before = busy_seconds(0) + busy_seconds(1)
        time.sleep(0.25)
        if busy_seconds(0) + busy_seconds(1) - before < limit * 0.25:
            return


def _processes() -> dict[int, Process]:
    table = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            text = (entry / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        fields = text[text.rindex(")") + 2 :].split()
        ticks = sum(int(value) for value in fields[11:15])
        table[int(entry.name)] = Process(int(fields[1]), int(fields[3]), ticks)
    return table


def _send(pid: int, signum: int) -> None:
    try:
        os.kill(pid, signum)
    except ProcessLookupError:
        return


def _is_alive(pid: int) -> bool:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return text[text.rindex(")") + 2] != "Z"
