"""``python -m bench``: gateways side by side, interleaved, pinned; see bench/README.md."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bench import gateways, machine, report
from bench.before import before
from bench.probes import PROBES, measure

DEFAULT = "direct,nginx,vllm-router,fast,asgi"
QUICK = "nginx,vllm-router,fast,asgi"
QUIET_S = 6.0


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("--quick", action="store_true", help="one round; verdicts only warn")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default=None, help=f"gateways (default {DEFAULT})")
    parser.add_argument("--tests", default=",".join(PROBES))
    parser.add_argument(
        "--before", type=Path, help="another checkout, compiled: is a request dearer than there?"
    )
    parser.add_argument("--out", type=Path, default=machine.HERE / "latest.json")
    return parser.parse_args()


def main() -> int:
    """Measure, print the table and the verdicts, write the figures."""
    asked = arguments()
    machine.build()
    rounds = 1 if asked.quick else asked.rounds
    names = (asked.only or (QUICK if asked.quick else DEFAULT)).split(",")
    known = gateways.known()
    edges = [edge for edge in ("fast", "asgi") if edge in names]
    for edge in edges if asked.before else ():
        known[f"{edge}@before"] = before(asked.before.resolve(), edge)
        names.insert(names.index(edge), f"{edge}@before")
    rows = _measure_all([known[name] for name in names], asked.tests.split(","), rounds)
    found = report.medians(rows)
    print(report.table(found), end="\n\n")
    missed = 0
    for met, line in report.verdicts(found):
        missed += not met
        print(line)
    asked.out.write_text(
        json.dumps({"conditions": conditions(rounds), "rows": found}, indent=1) + "\n"
    )
    return 0 if asked.quick or not missed else 1


def conditions(rounds: int) -> dict[str, Any]:
    """Say under which conditions the figures were taken."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": commit.stdout.strip(),
        "rounds": rounds,
        "cpus": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "pinning": "gateway on cpu 0; mock, load, Valkey on cpu 1",
        "what": "medians of interleaved rounds; ours with keys, limits, metering and logs on",
    }


def _measure_all(
    compared: list[gateways.Gateway], tests: list[str], rounds: int
) -> list[dict[str, Any]]:
    logs = machine.BUILD / "logs"
    logs.mkdir(exist_ok=True)
    rows = []
    with gateways.upstream(logs):
        for number in range(1, rounds + 1):
            for gateway in compared:
                machine.wait_for_quiet(QUIET_S)
                with gateway.up(logs) as target:
                    for test in tests:
                        row = measure(target, PROBES[test])
                        rows.append(row)
                        print(_line(number, row), flush=True)
    return rows


def _line(number: int, row: dict[str, Any]) -> str:
    cpu = "-" if row["cpu_us"] is None else f"{row['cpu_us']:.1f}"
    line = f"{number} {row['gateway']:12} {row['test']:7} {row['rps']:9.0f}/s  cpu {cpu:>7} µs"
    line += f"  p50 {row['p50_us']:9.1f}  p99 {row['p99_us']:9.1f} µs"
    return line + (f"  FAULTS {row['faults']} {row['first_fault'][:100]}" if row["faults"] else "")


if __name__ == "__main__":
    sys.exit(main())
