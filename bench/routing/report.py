"""The table: a row for each rule of a case, and by how much ours is ahead of the best other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from bench.routing.rules import CEILING, OURS

Row = dict[str, Any]
HEAD = (
    "rule",
    "attained % (worst seed)",
    "95 %",
    "of reachable %",
    "TTFT mean / p50 / p99 s",
    "without target",
    "TPOT p50 / p99 ms",
    "hit %",
    "in time /s",
    "refused",
)


def tables(rows: Sequence[Row]) -> Iterator[str]:
    """Yield a table in Markdown for each case."""
    for case in dict.fromkeys(row["case"] for row in rows):
        of_case = [row for row in rows if row["case"] == case]
        lines = [f"**{case}** ({of_case[0]['seeds']} seeds)", "", "| " + " | ".join(HEAD) + " |"]
        lines.append("|---|" + "--:|" * (len(HEAD) - 1))
        lines += ["| " + " | ".join(_cells(row)) + " |" for row in of_case]
        yield "\n".join([*lines, ""])


def verdicts(rows: Sequence[Row]) -> Iterator[str]:
    """Yield for each case what ours has against the best of the others."""
    for case in dict.fromkeys(row["case"] for row in rows):
        known = {row["rule"]: row for row in rows if row["case"] == case}
        others = [row for name, row in known.items() if name not in {OURS, CEILING}]
        if OURS not in known or not others:
            continue
        best = max(others, key=lambda row: row["attained"])
        ours = known[OURS]
        points = 100 * (ours["attained"] - best["attained"])
        paired = _paired(ours, best)
        word = "LOST" if points < -1 else "kept"
        yield (
            f"{word} {case}: {100 * ours['attained']:.1f} against {100 * best['attained']:.1f} "
            f"({best['rule']}), {points:+.1f} points, paired {paired}"
        )


def _paired(ours: Row, best: Row) -> str:
    pairs = zip(ours["attained_by_seed"], best["attained_by_seed"], strict=False)
    return " ".join(f"{100 * (mine - theirs):+.1f}" for mine, theirs in pairs)


def _cells(row: Row) -> Iterable[str]:
    low, high = row["attained_95"]
    yield row["rule"]
    yield f"{100 * row['attained']:.1f} ({100 * row['attained_worst']:.1f})"
    yield f"{100 * low:.0f}–{100 * high:.0f}"
    yield f"{100 * row['attained_of_reachable']:.1f}"
    yield _three(row, "ttft_with")
    yield _three(row, "ttft_without")
    tpot = (row["tpot_p50"], row["tpot_p99"])
    yield "–" if None in tpot else f"{1000 * tpot[0]:.0f} / {1000 * tpot[1]:.0f}"
    yield f"{100 * row['hit']:.1f}"
    yield f"{row['goodput']:.2f}"
    yield f"{row['refused']:.0f}"


def _three(row: Row, name: str) -> str:
    values = [row[f"{name}_{figure}"] for figure in ("mean", "p50", "p99")]
    return "–" if None in values else " / ".join(f"{value:.2f}" for value in values)
