"""``make mutants``: put faults into what money and tenants hang on, and see that tests notice.

The files are dealt out to as many pytests as there are processors, each with servers of its own.
Ends with a line for each file and with what is wrong: a fault that survived unexcused, an excuse
for one that is killed or not made any more, or too few killed in all.
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
from functools import partial
from pathlib import Path
from typing import Any

from tests.mutants.sites import mutants_of
from tests.mutants.targets import ROOT, TARGETS, excused, is_of

GOAL = 0.95

Outcome = list[dict[str, Any]]


def main() -> int:
    """Mutate each target; print a line for each, and everything that is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants")
    parser.add_argument("--only", default="", help="a part of the file's name")
    parser.add_argument("--excused", action="store_true", help="try what may survive, too")
    asked = parser.parse_args()
    targets = [name for name in TARGETS if asked.only in name]
    began, shares = time.monotonic(), dealt_out(targets, os.cpu_count() or 1)
    with ThreadPoolExecutor(len(shares)) as pool:
        outcomes = pool.map(partial(_mutate, is_all=asked.excused), shares)
        outcome = [one for part in outcomes for one in part]
    for target in targets:
        print(f"{_killed([one for one in outcome if one['target'] == target])}  {target}")
    print(f"{_killed(outcome)} in {time.monotonic() - began:.0f} s")
    wrong = what_is_wrong(outcome, {name for name in excused() if is_of(name, targets)})
    print("\n".join(wrong))
    share = 1 - sum(one["survived"] for one in outcome) / len(outcome)
    return 0 if share >= GOAL and not wrong else 1


def dealt_out(targets: list[str], parts: int) -> list[list[str]]:
    """Deal files out so that each part has about as many faults."""
    sizes = {target: len(mutants_of(ROOT / target)) for target in targets}
    shares: list[list[str]] = [[] for _ in range(parts)]
    for target in sorted(targets, key=sizes.__getitem__, reverse=True):
        min(shares, key=lambda share: sum(map(sizes.__getitem__, share))).append(target)
    return [share for share in shares if share]


def _mutate(targets: list[str], *, is_all: bool) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "outcome.json"
        command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "tests.mutants.plugin"]
        command += [
            "--thorough",
            "--assert=plain",
            "--tb=native",
        ]  # Nobody reads why a mutant was killed.
        command += ["--mutants-excused"] * is_all
        command += [f"--mutate={target}" for target in targets]
        command.append(f"--mutants-out={out}")
        command += dict.fromkeys(test for target in targets for test in TARGETS[target])
        ran = subprocess.run(  # noqa: S603 - our own words
            command, cwd=ROOT, capture_output=True, text=True, check=False
        )
        if ran.returncode:
            raise SystemExit(f"It could not be tried:\n{ran.stdout}\n{ran.stderr}")
        return [json.loads(line) for line in out.read_text().splitlines()]


def _killed(outcome: Outcome) -> str:
    survived = sum(one["survived"] for one in outcome)
    return f"{len(outcome) - survived:4} of {len(outcome):4} killed"


def what_is_wrong(outcome: Outcome, known: set[str]) -> list[str]:
    """Say which faults survived unexcused, and which excuses are not needed or of no fault."""
    tried = {f"{one['target']}:{one['place']}": one for one in outcome}
    survived = {name for name, one in tried.items() if one["survived"]}
    return [
        *(f"survived: {name}" for name in sorted(survived - known)),
        *(f"excused, but killed: {name}" for name in sorted(known & set(tried) - survived)),
        *(f"excused, but not made any more: {name}" for name in sorted(known - set(tried))),
    ]


if __name__ == "__main__":
    sys.exit(main())
