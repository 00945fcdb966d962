"""Runs rules against each other over the same seeds, in one process or several."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from statistics import mean, median
from typing import Any

from bench.routing import measures, scenarios
from bench.routing.rules import RULES
from bench.routing.scenarios import TROUBLE_AT, TROUBLE_UNTIL, Case
from bench.routing.simulate import Run

TROUBLE_BOUNDS = (
    *(TROUBLE_AT - 600, TROUBLE_AT, TROUBLE_AT + 20, TROUBLE_AT + 60, TROUBLE_UNTIL),
    *(TROUBLE_UNTIL + 30, TROUBLE_UNTIL + 60, TROUBLE_UNTIL + 120, TROUBLE_UNTIL + 300),
)
"""Between these moments the share of the worker in trouble is looked at."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Job:
    """One run: which case (by name), which rule, which seed."""

    case: str
    rule: str
    seed: int


def every_case() -> dict[str, Case]:
    """Return all cases by name, the crossed ones too."""
    found = {}
    for case in scenarios.cases():
        for one in (case, *scenarios.crossed(case)):
            found[one.name] = one
    return found


def jobs(cases: Iterable[str], rules: Sequence[str], seeds: int) -> list[Job]:
    """Return what has to be run, a whole table for one seed after the other."""
    every = list(cases)
    return [
        Job(case, rule, seed) for seed in range(1, seeds + 1) for case in every for rule in rules
    ]


def run(job: Job) -> Row:
    """Run one of them, and say what came of it."""
    case = every_case()[job.case]
    fleet, began = case.fleet(), time.process_time()
    flights = Run(fleet, case.asked(job.seed), RULES[job.rule], job.seed).whole()
    took = time.process_time() - began
    row = {"case": job.case, "rule": job.rule, "seed": job.seed, "cpu_s": round(took, 2)}
    row |= measures.figures(flights, fleet)
    if case.troubles:
        row["shares"] = measures.shares_of(flights, case.troubles[0].worker, TROUBLE_BOUNDS)
    joining = [number for number, one in enumerate(fleet.machines) if one.since > 0]
    if joining:
        since = fleet.machines[joining[0]].since
        bounds = (since, since + 20, since + 60, since + 180)
        row["shares"] = measures.shares_of(flights, joining[0], bounds)
    return row


def run_all(found: Sequence[Job], processes: int) -> Iterator[Row]:
    """Yield a row for each job, in their order."""
    if processes == 1:
        yield from map(run, found)
        return
    with get_context("spawn").Pool(processes) as pool:
        yield from pool.imap(run, found)


def summed_up(rows: Iterable[Row]) -> list[Row]:
    """Return one row for each case and rule: medians over seeds, and the worst seed."""
    grouped: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        grouped.setdefault((row["case"], row["rule"]), []).append(row)
    return [_summed_up(found) for found in grouped.values()]


def _summed_up(found: Sequence[Row]) -> Row:
    windows = [window for row in found for window in row["windows"]]
    low, high = measures.interval(windows)
    attained = [row["attained"] for row in found]
    summary: Row = {
        "case": found[0]["case"],
        "rule": found[0]["rule"],
        "seeds": len(found),
        "attained": median(attained),
        "attained_worst": min(attained),
        "attained_by_seed": attained,
        "attained_95": (low, high),
    }
    plain = (
        *("attained_of_reachable", "hit", "goodput", "asked_a_second", "refused"),
        *("p90_covers", "p50_covers", "jain", "cpu_s"),
    )
    for name in plain:
        summary[name] = _median([row[name] for row in found])
    for name in ("ttft_with", "ttft_without", "tpot"):
        for figure in ("mean", "p50", "p99"):
            known = [row[name] and row[name][figure] for row in found]
            summary[f"{name}_{figure}"] = _median(known)
    if "shares" in found[0]:
        columns = zip(*[row["shares"] for row in found], strict=True)
        summary["shares"] = [
            mean(known) if (known := [one for one in column if one is not None]) else None
            for column in columns
        ]
    return summary


def _median(values: Sequence[float | None]) -> float | None:
    known = [one for one in values if one is not None]
    return median(known) if known else None
