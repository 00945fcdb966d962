"""What the control plane publishes, as this process has it: Valkey, tables, and news of changes."""

from __future__ import annotations

import asyncio

from inference.exchange.config import PlaneConfig
from inference.gate.tables import Tables
from inference.sources.link import Link
from inference.sources.url import ValkeyUrl
from inference.sources.valkey import Changes, ValkeySource

FIRST_WAIT_S = 1.0
"""How long a start waits for Valkey; without it the plane starts all the same."""


class Published:
    """See the module. Made inside the loop."""

    def __init__(self, config: PlaneConfig) -> None:
        url = ValkeyUrl.read(config.valkey_url)
        self.link = Link(url)
        self.tables = Tables(
            ValkeySource(self.link),
            asyncio.get_running_loop().time,
            size=config.bounds.table_entries,
            outage_s=config.outage_s,
        )
        self.changes = Changes(url, self.tables)

    def is_up(self) -> bool:
        """Say whether Valkey can be asked now."""
        return self.link.is_up

    async def start(self) -> None:
        """Connect, waiting a moment for Valkey."""
        self.link.start()
        self.changes.start()
        await self.link.ready(timeout_s=FIRST_WAIT_S)

    async def stop(self) -> None:
        """Hear no more, and close the connections."""
        await self.changes.stop()
        await self.link.stop()
