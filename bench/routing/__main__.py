"""``python -m bench.routing``: our router against others' rules in simulated time."""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "xim" / "src"))

from bench.routing import contest, report, scenarios  # noqa: E402
from bench.routing.rules import QUICK, RULES  # noqa: E402

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
    rows = []
    for row in contest.run_all(found, asked.processes):
        rows.append(row)
        _say(row)
    summary = contest.summed_up(rows)
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
