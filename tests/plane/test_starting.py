"""A server told to stop while it starts: it ends in good order whenever that was.

Slow, because Python itself has to start each time.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest
from django.conf import settings

from tests.plane.conftest import until
from tests.plane.test_news import answers, free_port
from tests.plane.world import PEPPER, World

pytestmark = pytest.mark.anyio

ENDS_WITHIN_S = 8.0
TROUBLES = ("Traceback", "never retrieved", "was destroyed")
UNREACHABLE = "unix:///nonexistent/valkey.sock"


class Start:
    """A server process that was just started."""

    def __init__(
        self, folder: Path, *, workers: int = 1, valkey_url: str = "", drain_delay_s: int = 0
    ) -> None:
        self.port = free_port()
        self.journal, self.log = folder / "journal", folder / "log"
        self._environment = {
            "VALKEY_URL": valkey_url or settings.VALKEY_URL,
            "XEROTIER_ENV": "test",
            "XEROTIER_PEPPERS": f"new:{PEPPER.decode()}",
            "XEROTIER_HOME": "/nonexistent",
            "XEROTIER_JOURNAL_DIR": str(self.journal),
            "XEROTIER_DRAIN_DELAY_S": str(drain_delay_s),
            "XEROTIER_WORKERS": str(workers),
            "TMPDIR": str(folder),
        }
        self.process: asyncio.subprocess.Process

    async def begin(self) -> None:
        with self.log.open("ab") as output:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "xerotier_site.server", "--plane"),
                *("--port", str(self.port)),
                env=self._environment,
                stdout=output,
                stderr=output,
            )

    async def end(self) -> int:
        """Tell it to stop; return how it ended. None of its children outlives it."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(signal.SIGTERM)
        try:
            ending = await asyncio.wait_for(self.process.wait(), ENDS_WITHIN_S)
        finally:
            if self.process.returncode is None:
                self.process.kill()
        _, alive = psutil.wait_procs(children, timeout=ENDS_WITHIN_S)
        assert alive == []
        return ending

    def has_journal(self) -> bool:
        """Say whether the gateway has begun, after the signals were learned, and not let go."""
        return any(self.journal.glob("gateway-*"))

    def complaints(self) -> list[str]:
        """Return what it said that it should have no reason to say."""
        return [
            line for line in self.log.read_text().splitlines() if any(map(line.count, TROUBLES))
        ]


@pytest.mark.parametrize(("workers", "tries"), [(1, 10), (2, 4)])
async def test_stop_at_any_moment_of_a_start_is_an_end_in_good_order(
    world: World, tmp_path: Path, workers: int, tries: int
) -> None:
    first, began = Start(tmp_path, workers=workers), time.monotonic()
    await first.begin()
    await answers(first.port)
    whole_s = time.monotonic() - began
    assert await first.end() == 0

    endings = []
    for number in range(tries):
        start = Start(tmp_path, workers=workers)
        await start.begin()
        await asyncio.sleep(whole_s * number / tries)  # The moment is what is tried.
        endings.append(await start.end())
        assert (start.complaints(), start.has_journal()) == ([], False)

    # Before Python has learned to listen, the kernel's way of ending is the only one.
    assert set(endings) <= {0, -signal.SIGTERM}


async def test_stop_while_the_gateway_waits_for_valkey_closes_the_journal(tmp_path: Path) -> None:
    start = Start(tmp_path, valkey_url=UNREACHABLE)
    await start.begin()
    await until(start.has_journal, 30.0)

    assert await start.end() == 0

    assert (start.complaints(), start.has_journal()) == ([], False)
