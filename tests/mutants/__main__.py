"""``make mutants``: put faults into what money and tenants hang on, and see that tests notice.

Two files are mutated side by side, each by a pytest of its own with servers of its own. Ends
with the survivors; fails if fewer than so many were killed, or if one survived unexcused.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.mutants.targets import ROOT, TARGETS, excused

GOAL = 0.95
MOST = 120
"""Mutants of a file, drawn with a fixed seed where there are more (``--all`` takes all)."""

Outcome = list[dict[str, Any]]


def main() -> int:
    """Mutate each target; print a line for each, and every survivor."""
    asked = _arguments()
    began = time.monotonic()
    targets = [name for name in TARGETS if asked.only in name]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        outcomes = pool.map(lambda one: _mutate(one, asked.all), targets)
        found = dict(zip(targets, outcomes, strict=True))
    known = excused()
    survivors = [line for name, outcome in found.items() for line in _told(name, outcome, known)]
    print("\n".join(survivors))
    tried = sum(map(len, found.values()))
    killed = tried - sum(one["survived"] for outcome in found.values() for one in outcome)
    share = killed / tried
    print(f"{killed} of {tried} killed: {share:.1%}, in {time.monotonic() - began:.0f} s")
    return 0 if share >= GOAL and not survivors else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants")
    parser.add_argument("--only", default="", help="a part of the file's name")
    parser.add_argument("--all", action="store_true", help="every mutant, not a sample")
    return parser.parse_args()


def _mutate(target: str, whole: bool) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "outcome.json"
        command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "tests.mutants.plugin"]
        command += ["--mutate", target, "--mutants-out", str(out)]
        command += ["--most", "0" if whole else str(MOST), *TARGETS[target]]
        ran = subprocess.run(  # noqa: S603 - our own words
            command, cwd=ROOT, capture_output=True, text=True, check=False
        )
        if not out.exists():
            raise SystemExit(f"{target} could not be mutated:\n{ran.stdout}\n{ran.stderr}")
        outcome: Outcome = json.loads(out.read_text())
    survived = sum(one["survived"] for one in outcome)
    print(f"{len(outcome) - survived:4} of {len(outcome):4} killed  {target}", flush=True)
    return outcome


def _told(target: str, outcome: Outcome, known: dict[str, str]) -> list[str]:
    names = [
        (f"{target}:{one['place']}", one["tests"]) for one in outcome if one["survived"]
    ]  # fmt: skip
    return [f"survived {count} tests: {name}" for name, count in names if name not in known]


if __name__ == "__main__":
    sys.exit(main())
