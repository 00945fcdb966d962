"""The admission service: limiter, journal and reaper of one gateway, started and stopped."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path

from inference.admission.journal import Journal
from inference.admission.limiter import ValkeyLimiter
from inference.admission.reaper import Reaper
from inference.admission.upkeep import Upkeep
from inference.sources.link import Link

LAST_ENDS_S = 2.0


class Admission:
    """A limiter with its journal and its upkeep. ``say`` writes to the log.

    Without a ``home`` the journal lies in a temporary folder and outlives nothing.
    """

    def __init__(self, link: Link, home: str, say: Callable[..., None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._link = link
        self._say = say
        self._folder = None if home else tempfile.TemporaryDirectory(prefix="xerotier-journal-")
        self.journal = Journal(Path(self._folder.name if self._folder else home))
        self.limiter = ValkeyLimiter(link, self.journal, self._loop.time, self._on_lost)
        self.reaper = Reaper(link, self._loop.time)
        self.upkeep = Upkeep(link, self.limiter, self.journal, self.reaper, say)

    def start(self) -> None:
        """Open the journal and begin. Without a journal nobody is let in, and it is retried."""
        self.upkeep.open_journal()
        self.upkeep.start()

    async def stop(self) -> None:
        """Give the last ends a moment to reach Valkey; what does not stays in the journal."""
        end = self._loop.time() + LAST_ENDS_S
        # Polled: it happens once in a process' life, and not for long.
        while self._link.is_up and self.journal.pending and self._loop.time() < end:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await self.upkeep.stop()
        await self.journal.close()
        if self._folder is not None:
            self._folder.cleanup()

    @property
    def trouble(self) -> str | None:
        """Why nobody is let in, if so."""
        trouble = self.journal.trouble or self.limiter.fault
        if trouble is None and not self.limiter.is_restored:
            return "limits and money are being restored"
        return trouble

    def counts(self) -> dict[str, float]:
        """Return figures for the metrics."""
        return {
            "journal_pending": self.journal.pending,
            "journal_segments": self.journal.segments,
            "admitted_running": len(self.limiter),
        }

    def _on_lost(self, text: str) -> None:
        self._say("usage_event_lost", "critical", usage_event=text)
