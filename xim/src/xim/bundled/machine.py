"""What this machine can do, as far as an engine must know."""

from __future__ import annotations

import os
import platform
from pathlib import Path

CPU_FILE = Path("/proc/cpuinfo")


def has_avx2(machine: str = platform.machine(), cpu_file: Path = CPU_FILE) -> bool:
    """Say whether the chat engine's binary can run: on x86 it was built for AVX2.

    Where the processor cannot be asked the answer is yes, and the engine finds out.
    """
    if machine.lower() not in {"x86_64", "amd64"} or not cpu_file.is_file():
        return True
    flags = [line for line in cpu_file.read_text().splitlines() if line.startswith("flags")]
    return not flags or " avx2" in flags[0]


def spare_threads() -> int:
    """Return how many threads an engine may keep busy: every core but one.

    Engines spin while they wait: with a thread on every core of a busy two-core machine the
    chat model falls from 77 to 6 tokens a second.
    """
    return max(1, (os.cpu_count() or 2) - 1)
