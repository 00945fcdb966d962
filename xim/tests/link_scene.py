"""An agent on a link to a scripted gateway, with an engine that tests choose."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from scripted_gateway import Gateway, Peer
from xim.agent.keeper import Keeper
from xim.agent.node import Node
from xim.engines.adapter import Options
from xim.engines.kinds import Simulated
from xim.engines.seen import Model, Seen
from xim.identity import Identity
from xim.link.connection import Where
from xim.serve.answer import Engine
from xim.serve.places import Places
from xim.serve.stands import Stand
from xim.sim.server import Options as SimOptions
from xim.sim.server import Simulator
from xim.web.call import Address
from xim.web.server import Handler, Port

MODELS = ("sim", "sim-hang", "sim-break", "sim-refuse", "sim-5xx", "sim-drip", "sim-wrong-length")


@dataclass
class Scene:
    """What a test meets."""

    gateway: Gateway
    node: Node
    keeper: Keeper
    renewals: list[str]

    @property
    def stand(self) -> Stand:
        return self.node.stands[0]

    async def peer(self) -> Peer:
        return await self.gateway.link()


def stand_at(port: int, *, slots: int = 8, models: tuple[str, ...] = MODELS) -> Stand:
    address = Address("127.0.0.1", port, "/v1", is_secured=False)
    seen = Seen(models=tuple(Model(name) for name in models))
    return Stand(Simulated(Options(address)), Engine(address), Places(slots), seen)


def node_for(port: int, *, slots: int = 8, models: tuple[str, ...] = MODELS) -> Node:
    return Node(
        identity=Identity.made(),
        token="token-1",
        stands=[stand_at(port, slots=slots, models=models)],
        machine={"hostname": "here", "cpus": 2},
    )


@asynccontextmanager
async def agent_of(gateway: Gateway, node: Node) -> AsyncIterator[Scene]:
    """Have an agent dial a gateway."""
    renewals: list[str] = []

    async def renew() -> None:
        renewals.append(node.token)
        node.token = f"token-{len(renewals) + 1}"

    keeper = Keeper(node, Where(gateway.address, None), renew)
    node.on_change = keeper.changed
    async with asyncio.TaskGroup() as group:
        task = group.create_task(keeper.run())
        try:
            yield Scene(gateway, node, keeper, renewals)
        finally:
            task.cancel()


@asynccontextmanager
async def scene(
    *, slots: int = 8, scale: float = 0.05, gateway: Gateway | None = None
) -> AsyncIterator[Scene]:
    """An agent before the simulator."""
    made = gateway or Gateway()
    simulator = Simulator(SimOptions(models=MODELS, scale=scale))
    async with (
        made.open(),
        simulator.serve() as port,
        agent_of(made, node_for(port, slots=slots)) as agent,
    ):
        yield agent


@asynccontextmanager
async def scene_before(handler: Handler, *, slots: int = 8) -> AsyncIterator[Scene]:
    """An agent before an engine that a test wrote."""
    made = Gateway()
    async with (
        made.open(),
        Port(handler).open("127.0.0.1", 0) as port,
        agent_of(made, node_for(port, slots=slots)) as agent,
    ):
        yield agent
