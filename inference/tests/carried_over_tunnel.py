"""Scripted workers that are agents: each dials in over a real socket, and waits to be asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from inference.fleet.fleet import Fleet
from inference.fleet.tunnel.links import Links
from inference.fleet.tunnel.transport import TunnelTransport
from inference.tests.carried import Script, Stage, Turn
from inference.tests.dialled_agent import AgentStream, DialledAgent
from inference.tests.fleets import until
from inference.tests.identities import Identity
from inference.tests.tunnels import agent_worker, gate

EVENTS = b"content-type: text/event-stream\r\n"


class TunnelTurn(Turn):
    """A request on a stream of the agent's link."""

    def __init__(self, stream: AgentStream) -> None:
        super().__init__()
        self._stream = stream

    async def take(self) -> bytes:
        return await self._stream.whole()

    async def say(self, *pieces: bytes) -> None:
        if not self.said:
            await self._stream.head(200, EVENTS)
        for piece in pieces:
            await self._stream.data(piece)
            self.said += 1

    async def finish(self) -> None:
        await self._stream.data(b"", is_last=True)

    async def break_off(self) -> None:
        await self._stream.give_up(5)

    async def left(self) -> None:
        stream = self._stream
        while stream.reset is None:
            stream.news.clear()
            await stream.news.wait()
        self.gone.set()


@asynccontextmanager
async def carry(script: Script) -> AsyncIterator[Stage]:
    """Reach the worker by the link of its agent."""

    async def serve(stream: AgentStream) -> None:
        turn = TunnelTurn(stream)
        stage.turns.append(turn)
        await script(turn)

    async with gate() as opened:
        fleet = Fleet([TunnelTransport(opened.links)])
        worker = agent_worker("w1", "agt_1")
        stage = TunnelStage(fleet, worker, agent_worker("w2", "agt_2"))
        async with DialledAgent(Identity(opened.platform), opened.url, serve) as dialled:
            stage.links = opened.links
            await until(lambda: fleet.is_open(worker))
            yield stage
            assert dialled.code in (None, 1012)
        fleet.close()


class TunnelStage(Stage):
    """A link stays when nothing is in flight."""

    links: Links

    @property
    def is_quiet(self) -> bool:
        running = self.fleet.in_flight(self.worker.worker_id)
        return not running and not any(link.streams for link in self.links.every())
