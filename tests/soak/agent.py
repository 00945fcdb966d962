"""A machine under soak: xim by its own code, in front of a worker that never fails."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from inference.tests.identities import Identity as Enrolled
from tests.chaos.relay import Relay
from tests.plane.enrolled import TUNNEL
from tests.soak.worker import Worker
from xim.agent.keeper import Keeper
from xim.agent.node import Node
from xim.engines.adapter import Options
from xim.engines.kinds import KINDS
from xim.engines.seen import Model, Seen
from xim.facts import facts
from xim.identity import Identity
from xim.link.connection import Where
from xim.serve.answer import Engine
from xim.serve.places import Places
from xim.serve.stands import Stand
from xim.web.call import Address

SLOTS = 64
LINKED_S = 60.0


class Machine:
    """One with a link to each gateway, behind an address that leads to them in turn."""

    def __init__(self, enrolled: Enrolled, worker: Worker, ports: Sequence[int]) -> None:
        self.name = enrolled.agent
        self._enrolled = enrolled
        address = Address("127.0.0.1", worker.port, "/v1", is_secured=False)
        self._stand = Stand(KINDS["openai"](Options(address)), Engine(address), Places(SLOTS))
        self._stand.seen = Seen(models=(Model("mock"),))
        self._node = Node(
            identity=Identity.from_raw(enrolled.key.private_bytes_raw()),
            token=enrolled.token(),
            stands=[self._stand],
            machine=facts(),
        )
        self._relay = Relay("127.0.0.1", ports, control=0)
        self._wanted = len(ports)
        self._keeper: Keeper
        self._task: asyncio.Task[None]

    async def start(self) -> None:
        """Dial, and wait until every link is live."""
        await self._relay.start()
        where = Where(f"ws://127.0.0.1:{self._relay.port}{TUNNEL}", None)
        self._keeper = Keeper(self._node, where, self._renew)
        self._task = asyncio.ensure_future(self._keeper.run())
        async with asyncio.timeout(LINKED_S):
            while sum(link.live_at is not None for link in self._keeper.links) < self._wanted:
                await asyncio.sleep(0.05)

    async def stop(self) -> None:
        """Take its leave in good order."""
        self._keeper.drain("the soak is over")
        async with asyncio.timeout(10):
            await self._task
        self._relay.stop()

    def left_over(self) -> dict[str, int]:
        """Count what is there though nobody asks for anything any more."""
        links = self._keeper.links
        return {
            "streams": sum(len(link.session.streams) for link in links),
            "places taken": self._stand.places.running,
            "links too many": len(links) - self._wanted,
            "dials too many": self._keeper.dialled - self._wanted,
        }

    def answered(self) -> dict[str, int]:
        """Count how requests ended here."""
        return dict(self._node.ended)

    async def _renew(self) -> None:
        self._node.token = self._enrolled.token()
