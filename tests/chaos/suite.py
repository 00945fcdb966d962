"""A suite from its beginning to its end: the stage, the run, the verdict."""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from tests.chaos.books import Findings
from tests.chaos.stage import Stage

EXAMPLES = 5
"""So many of what is wrong of a kind are printed."""


class Run(Protocol):
    """One run: what is done, and what is found afterwards."""

    async def run(self, rounds: int) -> None:
        """Break and mend; then wait for rest."""

    def judge(self) -> Findings:
        """Compare the books, print every figure, and say what is wrong."""


Place = TypeVar("Place", bound=Stage)


@dataclass(frozen=True, slots=True)
class Suite(Generic[Place]):
    """What is run where. ``begin`` furnishes the stage and starts what plays on it."""

    make_stage: Callable[[Path, random.Random], Place]
    begin: Callable[[Place, random.Random], Run]

    def play(self, rounds: int, chance: random.Random) -> int:
        """Set the stage, run, judge; return the exit status."""
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="xt-chaos-", ignore_cleanup_errors=True) as name:
            folder = Path(name)
            folder.chmod(0o711)
            stage = self.make_stage(folder, chance)
            try:
                run = self.begin(stage, chance)
                asyncio.run(run.run(rounds))
                found = run.judge()
            finally:
                stage.keep_log()
                stage.close()
        _print(found)
        verdict = "clean" if found.is_clean else "NOT CLEAN"
        print(f"{verdict} after {time.monotonic() - began:.0f} s")
        return 0 if found.is_clean else 1


def _print(found: Findings) -> None:
    for kind, items in found.wrong.items():
        print(f"{kind}: {len(items)}")
        for item in items[:EXAMPLES]:
            print(f"    {item}")
