"""A machine under soak: xim by its own code, in front of a worker that never fails."""

from __future__ import annotations

import asyncio

from inference.tests.identities import Identity as Enrolled
from tests.plane.enrolled import TUNNEL
from tests.soak.worker import Worker
from xim.agent.keeper import Keeper
from xim.agent.node import Node
from xim.engines.adapter import Options
from xim.engines.kinds import KINDS
from xim.engines.seen import Model, Seen
from xim.identity import Identity
from xim.link.connection import Where
from xim.serve.answer import Engine
from xim.serve.places import Places
from xim.web.call import Address

SLOTS = 64


class Machine:
    """One that dials one gateway, for as long as the soak lasts."""

    def __init__(self, enrolled: Enrolled, worker: Worker, port: int) -> None:
        self.name = enrolled.agent
        self._enrolled = enrolled
        address = Address("127.0.0.1", worker.port, "/v1", is_secured=False)
        self._node = Node(
            identity=Identity.from_raw(enrolled.key.private_bytes_raw()),
            token=enrolled.token(),
            adapter=KINDS["openai"](Options(address)),
            engine=Engine(address),
            places=Places(SLOTS),
            machine={},
            seen=Seen(models=(Model("mock"),)),
        )
        where = Where(f"ws://localhost:{port}{TUNNEL}", None)
        self._keeper = Keeper(self._node, where, self._renew)
        self._task: asyncio.Task[None]

    async def start(self) -> None:
        """Dial, and wait until the link is live."""
        self._task = asyncio.ensure_future(self._keeper.run())
        async with asyncio.timeout(30):
            await self._keeper.live.wait()

    async def stop(self) -> None:
        """Take its leave in good order."""
        self._keeper.drain("the soak is over")
        async with asyncio.timeout(10):
            await self._task

    def left_over(self) -> dict[str, int]:
        """Count what is there though nobody asks for anything any more."""
        links = self._keeper.links
        return {
            "streams": sum(len(link.session.streams) for link in links),
            "places taken": self._node.places.running,
            "links too many": len(links) - 1,
            "dials too many": self._keeper.dialled - 1,
        }

    def answered(self) -> dict[str, int]:
        """Count how requests ended here."""
        return dict(self._node.ended)

    async def _renew(self) -> None:
        self._node.token = self._enrolled.token()
