"""``python -m bench.routing``: our router against others' rules in simulated time."""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "xim" / "src"))

from bench.routing import contest, report, scenarios  # noqa: E402
from bench.routing.rules import QUICK, RULES  # noqa: E402

KEEP = "JSON lines: runs that are in it are not run again; new ones go to the last that is named"
QUICK_CASES = ("mixed machines", "mixed targets, mixed machines")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.routing")
    parser.add_argument("--quick", action="store_true", help="two cases, one seed, few rules")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--cases", default=None, help="names, parted by semicolons")
    parser.add_argument("--rules", default=None, help="names, parted by semicolons")
    parser.add_argument(
        "--crossed", action="store_true", help="gateways and wrong assumptions, too"
    )
    parser.add_argument("--keep", type=Path, action="append", default=[], help=KEEP)
    parser.add_argument("--list", action="store_true", help="name the cases and rules, run none")
    parser.add_argument("--out", type=Path, default=HERE.parent / "routing.json")
    return parser.parse_args()


def main() -> int:
    """Run, print the tables, write the figures."""
    asked = arguments()
    cases, rules = _names(asked)
    if asked.list:
        print("\n".join(["Cases:", *contest.every_case(), "", "Rules:", *RULES]))
        return 0
    found = contest.jobs(cases, rules, 1 if asked.quick else asked.seeds)
    summary = contest.summed_up(_rows(found, asked.keep, asked.processes))
    for table in report.tables(summary):
        print(table)
    print("\n".join(report.verdicts(summary)))
    asked.out.write_text(
        json.dumps({"conditions": _conditions(), "rows": summary}, indent=1) + "\n"
    )
    return 0


def _names(asked: argparse.Namespace) -> tuple[list[str], list[str]]:
    every = contest.every_case()
    plain = [case.name for case in scenarios.cases()]
    usual = list(every) if asked.crossed else plain
    cases = asked.cases.split(";") if asked.cases else list(QUICK_CASES) if asked.quick else usual
    rules = asked.rules.split(";") if asked.rules else list(QUICK if asked.quick else RULES)
    unknown = [one for one in cases if one not in every] + [
        one for one in rules if one not in RULES
    ]
    if unknown:
        raise SystemExit(f"Unknown: {'; '.join(unknown)}. See --list.")
    return cases, rules


def _rows(
    found: Sequence[contest.Job], files: Sequence[Path], processes: int
) -> list[dict[str, Any]]:
    """Return a row for each job, in their order; those that are kept in files are not run."""
    known = {}
    for file in files:
        for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
            row = json.loads(line)
            known[contest.Job(row["case"], row["rule"], row["seed"])] = row
    missing = [job for job in found if job not in known]
    for job, row in zip(missing, contest.run_all(missing, processes), strict=True):
        known[job] = row
        _say(row)
        if files:
            with files[-1].open("a", encoding="utf-8") as kept:
                kept.write(json.dumps(row) + "\n")
    return [known[job] for job in found]


def _say(row: dict[str, Any]) -> None:
    line = f"{row['case']:34} {row['rule']:20} seed {row['seed']}  {100 * row['attained']:5.1f} %"
    print(
        f"{line}  {row['requests']:6} requests  {row['cpu_s']:6.1f} s", file=sys.stderr, flush=True
    )


def _conditions() -> dict[str, Any]:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": commit.stdout.strip(),
        "python": platform.python_version(),
        "what": "simulated time; medians over seeds; the first tenth of requests not counted",
    }


if __name__ == "__main__":
    sys.exit(main())
