"""Gateway processes under soak: started as in production, and watched from outside."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
from pathlib import Path
from typing import IO

import psutil

from tests.plane.caller import Connection, request
from tests.plane.world import PEPPER

READY_S = 120.0
"""How long a start may take on a machine with other work: no guarantee of ours."""
GAUGES = re.compile(r"^xerotier_([a-z_]+) ([0-9.e+]+)$", re.MULTILINE)


class Gateway:
    """The plane alone, over one of its edges."""

    def __init__(self, edge: str, port: int, folder: Path, drain_delay_s: int = 0) -> None:
        self.edge = edge
        self.drain_delay_s = drain_delay_s
        self.port = port
        self.log = folder / f"{edge}.log"
        self.rss_kib: list[int] = []
        self._journal = folder / f"journal-{edge}"
        self._process: asyncio.subprocess.Process
        self._seen: psutil.Process

    async def start(self, valkey_url: str) -> None:
        """Start it and wait until it is ready."""
        environment = {
            "VALKEY_URL": valkey_url,
            "XEROTIER_ENV": "test",
            "XEROTIER_PEPPERS": f"new:{PEPPER.decode()}",
            "XEROTIER_HOME": "/nonexistent",
            "XEROTIER_JOURNAL_DIR": str(self._journal),
            "XEROTIER_EDGE": self.edge,
            "XEROTIER_DRAIN_DELAY_S": str(self.drain_delay_s),
        }
        with self.log.open("ab") as output:
            self._process = await self._spawn(environment, output)
        self._seen = psutil.Process(self._process.pid)
        async with asyncio.timeout(READY_S):
            while not await self._is_ready():
                await asyncio.sleep(0.05)

    async def _spawn(
        self, environment: dict[str, str], output: IO[bytes]
    ) -> asyncio.subprocess.Process:
        command = (sys.executable, "-m", "xerotier_site.server", "--plane", "--port")
        return await asyncio.create_subprocess_exec(
            *command, str(self.port), env=environment, stdout=output, stderr=output
        )

    async def stop(self) -> int:
        """Tell it to stop, and return how it ended."""
        self._process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self._process.wait(), 10)

    def sample(self) -> None:
        """Write down how much memory it holds now."""
        self.rss_kib.append(self._seen.memory_info().rss // 1024)

    def sockets(self, worker_ports: set[int]) -> tuple[int, int]:
        """Count its sockets: those of callers, those to workers."""
        found = self._seen.net_connections("tcp")
        mine = [one for one in found if one.status != psutil.CONN_LISTEN]
        callers = [one for one in mine if one.laddr.port == self.port]
        return len(callers), len([one for one in mine if one.raddr[1] in worker_ports])

    async def gauges(self) -> dict[str, float]:
        """Ask it what it holds."""
        text = (await self._get("/metrics")).decode()
        return {name: float(value) for name, value in GAUGES.findall(text)}

    def complaints(self) -> list[str]:
        """Return every line of its log that tells of trouble."""
        return [line for line in self.log.read_text().splitlines() if _is_trouble(line)]

    async def _is_ready(self) -> bool:
        if self._process.returncode is not None:
            raise RuntimeError(f"the gateway ended: {self.log.read_text()[-2000:]}")
        try:
            return b'"ready"' in await self._get("/readyz")
        except OSError:
            return False

    async def _get(self, path: str) -> bytes:
        connection = await Connection.open(self.port)
        try:
            await connection.send(request(path, method="GET", headers={"Connection": "close"}))
            return (await connection.answer()).body
        finally:
            connection.reset()


def _is_trouble(line: str) -> bool:
    try:
        said = json.loads(line)
    except ValueError:
        return True
    return said.get("level") in ("warning", "error", "critical")
