"""What ``/metrics`` is told: the counts of this process, and of the others on this machine."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

from inference.telemetry.metrics import Json
from inference.telemetry.scrape import Snapshots

WRITE_EVERY_S = 1.0


class Figures:
    """See the module. ``directory``: where processes write them; empty: there are no others.

    ``counted`` says what this one has counted by now, ``say`` writes to the log.
    """

    def __init__(
        self, directory: str, counted: Callable[[], Json], say: Callable[..., None]
    ) -> None:
        self._counted = counted
        self._say = say
        self._shared = Snapshots(Path(directory)) if directory else None
        self._writer: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to write them down."""
        if self._shared is None:
            return
        try:
            self._shared.begin()
        except OSError as fault:
            self._say("metrics_not_written", "warning", reason=str(fault))
        loop = asyncio.get_running_loop()
        self._writer = loop.create_task(self._write(self._shared))

    async def stop(self) -> None:
        """Write no more."""
        if self._writer is not None:
            self._writer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._writer

    def of_all(self) -> list[Json]:
        """Return the counts of every process of this machine, ours as they are now."""
        others = self._shared.others() if self._shared is not None else []
        return [*others, self._counted()]

    async def _write(self, shared: Snapshots) -> None:
        while True:
            try:
                shared.write(self._counted())
            except OSError as fault:
                self._say("metrics_not_written", "warning", reason=str(fault))
            await asyncio.sleep(WRITE_EVERY_S)
