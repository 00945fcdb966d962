"""Medians of rounds, the table, and whether the targets were met."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]
FIGURES = (
    "rps",
    "cpu_us",
    "deps_cpu_us",
    "p50_us",
    "p99_us",
    "ttft_p50_us",
    "chunk_delay_p50_us",
    "rss_mib",
)


@dataclass(frozen=True, slots=True)
class Goal:
    """A ratio of two medians that should not be exceeded."""

    what: str
    gateway: str
    peer: str
    test: str
    figure: str
    limit: float


GOALS = (
    Goal("CPU per request, fast edge", "fast", "vllm-router", "ns64", "cpu_us", 1.0),
    Goal("CPU per request, fast edge", "fast", "nginx", "ns64", "cpu_us", 5.0),
    Goal("CPU per request, ASGI edge", "asgi", "vllm-router", "ns64", "cpu_us", 1.6),
    Goal("CPU per chunk, 200 streams", "fast", "vllm-router", "s_load", "cpu_us", 0.95),
    Goal("CPU per chunk, 200 streams", "fast", "nginx", "s_load", "cpu_us", 1.3),
    Goal("CPU per chunk, flat out", "fast", "vllm-router", "s_max", "cpu_us", 1.0),
    Goal("latency p50, 1 connection", "fast", "vllm-router", "ns1", "p50_us", 1.0),
    Goal("latency p50, 16 connections", "fast", "vllm-router", "ns16", "p50_us", 1.0),
    Goal("CPU per request", "fast", "litellm", "ns64", "cpu_us", 0.01),
    Goal("CPU per chunk in a tunnel", "tunnel", "fast", "s_few", "cpu_us", 1.5),
    Goal("CPU per chunk in a tunnel, flat out", "tunnel", "fast", "s_max", "cpu_us", 1.5),
    *(
        Goal(f"CPU per {what}, {edge}", edge, f"{edge}@before", test, "cpu_us", 1.03)
        for edge in ("fast", "asgi")
        for what, test in (("request", "ns64"), ("chunk", "s_load"), ("chunk, flat out", "s_max"))
    ),
)


def medians(rows: Sequence[Row]) -> list[Row]:
    """Return one row for each gateway and test: the medians over its rounds."""
    grouped: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        grouped.setdefault((row["gateway"], row["test"]), []).append(row)
    return [_median(gateway, test, found) for (gateway, test), found in grouped.items()]


def table(rows: Sequence[Row]) -> str:
    """Return the medians as a Markdown table."""
    head = "| gateway | test | requests/s | CPU µs | deps CPU µs | p50 µs | p99 µs | TTFT p50 µs |"
    head += " chunk delay p50 µs | RSS MiB | rounds | faults |"
    lines = [head, "|---|---|" + "--:|" * 10]
    for row in rows:
        cells = [row["gateway"], row["test"], *(_cell(row[figure]) for figure in FIGURES)]
        lines.append("| " + " | ".join([*cells, str(row["rounds"]), str(row["faults"])]) + " |")
    return "\n".join(lines)


def verdicts(rows: Sequence[Row]) -> Iterator[tuple[bool, str]]:
    """Yield for each goal that was measured whether it was met, and the line that says so."""
    by_name = {(row["gateway"], row["test"]): row for row in rows}
    for goal in GOALS:
        ours = by_name.get((goal.gateway, goal.test), {}).get(goal.figure)
        theirs = by_name.get((goal.peer, goal.test), {}).get(goal.figure)
        if not ours or not theirs:
            continue
        ratio = ours / theirs
        met = ratio <= goal.limit
        word = "met   " if met else "MISSED"
        against = f"{ours:.1f} against {theirs:.1f} µs in {goal.test}"
        limit = f"limit {goal.limit:g} ×"
        yield met, f"{word} {goal.what}: {ratio:.2f} × {goal.peer} ({limit}), {against}"


def _median(gateway: str, test: str, rows: Sequence[Row]) -> Row:
    figures = {}
    for figure in FIGURES:
        values = [row[figure] for row in rows if row.get(figure) is not None]
        figures[figure] = round(statistics.median(values), 2) if values else None
    faults = sum(row["faults"] for row in rows)
    return {"gateway": gateway, "test": test, **figures, "rounds": len(rows), "faults": faults}


def _cell(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
