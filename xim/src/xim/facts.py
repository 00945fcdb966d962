"""What this machine is, as far as its owner wants to know before letting it in."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

PATIENCE_S = 2.0
SYSFS = Path("/sys/class/drm")
AMD, INTEL = "0x1002", "0x8086"
KINDS = ("cuda", "rocm", "xpu")
MEBI = 1 << 20


def facts(said: str = "") -> dict[str, Any]:
    """Return what is known of this machine; what can't be found out is left out.

    ``said``: the kind of accelerator that its owner says its engine has, where that can't be
    seen from here.
    """
    seen = [*_nvidia(), *amd_of(SYSFS), *intel_of(SYSFS)]
    if said and all(one["kind"] != said for one in seen):
        seen.insert(0, {"kind": said, "name": "as its owner says", "memory_bytes": 0})
    return {
        "hostname": socket.gethostname()[:253],
        "os": f"{platform.system()} {platform.release()}"[:128],
        "arch": platform.machine(),
        "cpus": os.cpu_count() or 1,
        "memory_bytes": _memory(),
        "accelerators": seen[:16],
    }


def _memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return 0


def _nvidia() -> list[dict[str, Any]]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    argv = [program, "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
    try:
        said = subprocess.run(  # noqa: S603 - the driver's own program
            argv, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return nvidia_of(said.stdout)


def nvidia_of(table: str) -> list[dict[str, Any]]:
    """Return the accelerators in nvidia-smi's table of names and MiB."""
    found = []
    for line in table.splitlines():
        name, comma, mebibytes = line.rpartition(",")
        if comma and mebibytes.strip().isdigit():
            memory = int(mebibytes) * MEBI
            found.append({"kind": "cuda", "name": name.strip()[:128], "memory_bytes": memory})
    return found


def amd_of(folder: Path) -> list[dict[str, Any]]:
    """Return the AMD accelerators that the kernel knows."""
    found = []
    for card in sorted(folder.glob("card*/device")):
        try:
            if (card / "vendor").read_text().strip() == AMD:
                memory = int((card / "mem_info_vram_total").read_text())
                found.append({"kind": "rocm", "name": "AMD GPU", "memory_bytes": memory})
        except (OSError, ValueError):
            continue
    return found


def intel_of(folder: Path) -> list[dict[str, Any]]:
    """Return the Intel accelerators with memory of their own: not what every processor has."""
    found = []
    for card in sorted(folder.glob("card*/device")):
        try:
            if (card / "vendor").read_text().strip() == INTEL:
                memory = int((card.parent / "lmem_total_bytes").read_text())
                found.append({"kind": "xpu", "name": "Intel GPU", "memory_bytes": memory})
        except (OSError, ValueError):
            continue
    return found
