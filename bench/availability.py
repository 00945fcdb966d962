"""Measure whether a flood on one side moves inference on the other.

    python -m bench.availability

One platform as ``make run`` starts it, one caller who asks a mock engine at a steady pace,
and four floods, each between two quiet spells of the same run: bodies that are dear to read,
reports of leaked keys, sign-ins, and the API's description. A flood may double the caller's
p99 and no more (medians of the rounds). Everything stays on loopback and ends by itself.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import machine
from bench.crowd import FLOODS, gathered
from bench.scene import Scene, furnished

PACE_S = 0.02
"""The steady caller asks fifty times a second, on one of four connections in turn."""
CONNECTIONS = 4
LIMIT = 2.0
SETTLE_S = 2.0


@dataclass(frozen=True, slots=True)
class Spell:
    """What the steady caller saw of one spell. Milliseconds."""

    p50: float
    p99: float
    asked: int
    refused: int


def main() -> int:
    """Run all rounds, print each, and say for each flood how far it moved the caller."""
    asked = _arguments()
    machine.build()
    machine.go_first()
    rows: list[tuple[str, Spell, Spell, int]] = []
    with furnished() as scene:
        for number in range(1, asked.rounds + 1):
            for name in asked.only.split(","):
                quiet, flooded, sent = _one(scene, name, asked.seconds)
                rows.append((name, quiet, flooded, sent))
                print(_line(number, name, quiet, flooded, sent), flush=True)
    met = [_verdict(name, rows) for name in asked.only.split(",")]
    asked.out.write_text(json.dumps([_row(row) for row in rows], indent=1) + "\n")
    return 0 if all(met) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.availability")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8.0, help="of each spell")
    parser.add_argument("--only", default=",".join(FLOODS))
    parser.add_argument("--out", type=Path, default=machine.HERE / "availability.json")
    return parser.parse_args()


def _one(scene: Scene, name: str, seconds: float) -> tuple[Spell, Spell, int]:
    """Measure a quiet spell before, the flood, and a quiet spell behind it."""
    before = asyncio.run(_spell(scene, seconds / 2))
    with gathered(name, scene) as disperse:
        time.sleep(SETTLE_S)
        flooded = asyncio.run(_spell(scene, seconds))
        sent = disperse()
    time.sleep(SETTLE_S)
    after = asyncio.run(_spell(scene, seconds / 2))
    return _joined(before, after), flooded, sent


async def _spell(scene: Scene, seconds: float) -> Spell:
    waits: list[float] = []
    refused = 0
    lanes = [await scene.connect() for _ in range(CONNECTIONS)]
    free: asyncio.Queue[int] = asyncio.Queue()
    for lane in range(CONNECTIONS):
        free.put_nowait(lane)

    async def ask(due_at: float) -> None:
        nonlocal refused
        lane = await free.get()
        try:
            status = await scene.ask(lanes[lane])
            refused += status != 200
        except (OSError, EOFError, ValueError):
            refused += 1
            lanes[lane] = await scene.connect()
        finally:
            free.put_nowait(lane)
        # From when it was due, so that waiting for a free connection counts.
        waits.append((time.monotonic() - due_at) * 1000)

    await _paced(ask, seconds)
    for _, writer in lanes:
        writer.close()
    waits.sort()
    return Spell(statistics.median(waits), waits[int(len(waits) * 0.99)], len(waits), refused)


async def _paced(ask: Callable[[float], Coroutine[None, None, None]], seconds: float) -> None:
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number in range(int(seconds / PACE_S)):
            due_at = began + number * PACE_S
            await asyncio.sleep(max(0.0, due_at - time.monotonic()))
            group.create_task(ask(due_at))


def _joined(one: Spell, other: Spell) -> Spell:
    # The worse of the two: the machine itself has better and worse moments.
    return Spell(
        max(one.p50, other.p50),
        max(one.p99, other.p99),
        one.asked + other.asked,
        one.refused + other.refused,
    )


def _verdict(name: str, rows: Sequence[tuple[str, Spell, Spell, int]]) -> bool:
    mine = [row for row in rows if row[0] == name]
    ratio = statistics.median(flooded.p99 / quiet.p99 for _, quiet, flooded, _ in mine)
    refused = sum(flooded.refused for _, _, flooded, _ in mine)
    met = ratio <= LIMIT and not refused
    word = "met   " if met else "MISSED"
    print(f"{word} p99 under {name}: {ratio:.2f} × (limit {LIMIT:g} ×), {refused} refused")
    return met


def _line(number: int, name: str, quiet: Spell, flooded: Spell, sent: int) -> str:
    return (
        f"{number} {name:8} p50 {quiet.p50:6.1f} → {flooded.p50:6.1f} ms   "
        f"p99 {quiet.p99:7.1f} → {flooded.p99:7.1f} ms   {sent} sent by the crowd, "
        f"{flooded.refused} of {flooded.asked} refused"
    )


def _row(row: tuple[str, Spell, Spell, int]) -> dict[str, object]:
    name, quiet, flooded, sent = row
    return {
        "flood": name,
        "quiet_p99_ms": round(quiet.p99, 2),
        "flooded_p99_ms": round(flooded.p99, 2),
        "quiet_p50_ms": round(quiet.p50, 2),
        "flooded_p50_ms": round(flooded.p50, 2),
        "sent": sent,
        "refused": flooded.refused,
    }


if __name__ == "__main__":
    sys.exit(main())
