"""Scripted workers that are agents of another gateway: asked by way of it, by real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from inference.fleet.hop.host import HopHost
from inference.fleet.tunnel.transport import TunnelTransport
from inference.tests.carried import Script, Stage
from inference.tests.carried_over_tunnel import TunnelTurn
from inference.tests.dialled_agent import AgentStream, DialledAgent
from inference.tests.fleets import until
from inference.tests.hop_scene import answering, asking, place
from inference.tests.identities import Identity
from inference.tests.tunnels import Gate, agent_worker, gate


class HopStage(Stage):
    """Nothing is open on either gateway but the agent's link."""

    gate: Gate
    host: HopHost

    @property
    def is_quiet(self) -> bool:
        busy = any(link.streams for link in self.gate.links.every())
        return super().is_quiet and not busy and not self.host.running


@asynccontextmanager
async def carry(script: Script) -> AsyncIterator[Stage]:
    """Reach the worker by a gateway that has its agent's link."""

    async def serve(stream: AgentStream) -> None:
        turn = TunnelTurn(stream)
        stage.turns.append(turn)
        await script(turn)

    async with gate() as opened:
        links = TunnelTransport(opened.links)
        async with answering(links) as other:
            here, worker = asking(), agent_worker("w1", "agt_1")
            stage = HopStage(here.fleet, worker, agent_worker("w2", "agt_2"))
            stage.gate, stage.host = opened, other.host
            async with DialledAgent(Identity(opened.platform), opened.url, serve) as dialled:
                await until(lambda: links.is_open(worker))
                here.directory.replace([place(other.address)])
                yield stage
                assert dialled.code in (None, 1012)
            here.fleet.close()
