"""``make check``: does what we ship have known holes?

Asks the advisory service about every pinned package. Where the service can't be reached, or
knows none of them, a sentence says so: silence would look like a pass.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LISTS = ("requirements.txt", "xim/requirements.txt", "requirements-dev.txt")
PATIENCE_S = 60
SILENCE_S = 8


def main() -> int:
    """Say what is known; 1 if anything is."""
    faults = 0
    for name in LISTS:
        packages, fault = _asked(name)
        faults += _told(name, packages, fault)
    return 1 if faults else 0


def _asked(name: str) -> tuple[list[dict[str, Any]], str]:
    argv = [sys.executable, "-m", "pip_audit", "--no-deps", "--disable-pip", "-f", "json"]
    argv += ["--progress-spinner", "off", "--timeout", str(SILENCE_S), "-r", name]
    try:
        said = subprocess.run(  # noqa: S603 - our own words
            argv, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
    except subprocess.TimeoutExpired:
        return [], f"no answer within {PATIENCE_S} s"
    try:
        packages: list[dict[str, Any]] = json.loads(said.stdout)["dependencies"]
    except ValueError:
        return [], (said.stderr.strip().splitlines() or ["it said nothing"])[-1]
    return packages, ""


def _told(name: str, packages: list[dict[str, Any]], fault: str) -> int:
    known = [package for package in packages if "skip_reason" not in package]
    holes = [package for package in known if package["vulns"]]
    for package in holes:
        ids = ", ".join(hole["id"] for hole in package["vulns"])
        sys.stdout.write(f"{name}: {package['name']} {package['version']} has known holes: {ids}\n")
    if not known:
        reason = fault or "the advisory service knows none of these packages"
        sys.stdout.write(f"{name}: left out of the audit: {reason}\n")
    elif not holes:
        count = f"{len(known)} of {len(packages)}"
        sys.stdout.write(f"{name}: {count} packages audited, none has a known hole\n")
    return len(holes)


if __name__ == "__main__":
    sys.exit(main())
