"""``make mutants``: put faults into what money and tenants hang on, and see that tests notice.

The faults are dealt out to as many pytests as there are processors, each with servers of its own.
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

from tests.mutants.targets import ROOT, TARGETS, excused, is_of

GOAL = 0.95

Outcome = list[dict[str, Any]]


def main() -> int:
    """Mutate each target; print a line for each, and everything that is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants")
    parser.add_argument("--only", default="", help="a part of the file's name")
    only = parser.parse_args().only
    targets = [name for name in TARGETS if only in name]
    began, parts = time.monotonic(), os.cpu_count() or 1
    with ThreadPoolExecutor(parts) as pool:
        outcomes = pool.map(partial(_mutate, targets, parts), range(parts))
        outcome = [one for part in outcomes for one in part]
    for target in targets:
        print(f"{_killed([one for one in outcome if one['target'] == target])}  {target}")
    print(f"{_killed(outcome)} in {time.monotonic() - began:.0f} s")
    wrong = _wrong(outcome, {name for name in excused() if is_of(name, targets)})
    print("\n".join(wrong))
    share = 1 - sum(one["survived"] for one in outcome) / len(outcome)
    return 0 if share >= GOAL and not wrong else 1


def _mutate(targets: list[str], parts: int, part: int) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "outcome.json"
        command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "tests.mutants.plugin"]
        command += [f"--mutate={target}" for target in targets]
        command += [f"--mutants-part={part}/{parts}", f"--mutants-out={out}"]
        command += dict.fromkeys(test for target in targets for test in TARGETS[target])
        ran = subprocess.run(  # noqa: S603 - our own words
            command, cwd=ROOT, capture_output=True, text=True, check=False
        )
        if not out.exists():
            raise SystemExit(f"Nothing could be mutated:\n{ran.stdout}\n{ran.stderr}")
        outcome: Outcome = json.loads(out.read_text())
    return outcome


def _killed(outcome: Outcome) -> str:
    survived = sum(one["survived"] for one in outcome)
    return f"{len(outcome) - survived:4} of {len(outcome):4} killed"


def _wrong(outcome: Outcome, known: set[str]) -> list[str]:
    tried = {f"{one['target']}:{one['place']}": one for one in outcome}
    survived = {name for name, one in tried.items() if one["survived"]}
    return [
        *(f"survived {tried[name]['tests']} tests: {name}" for name in sorted(survived - known)),
        *(f"excused, but killed: {name}" for name in sorted(known & set(tried) - survived)),
        *(f"excused, but not made any more: {name}" for name in sorted(known - set(tried))),
    ]


if __name__ == "__main__":
    sys.exit(main())
