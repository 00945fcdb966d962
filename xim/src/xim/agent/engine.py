"""An engine that an agent stands before: there already, simulated, or started by us."""

from __future__ import annotations

from contextlib import AsyncExitStack

from xim.agent.options import LOOPBACK, EngineOptions
from xim.engines import launch
from xim.engines.adapter import Options
from xim.engines.kinds import KINDS
from xim.engines.launch import Gguf
from xim.serve.answer import Engine
from xim.serve.places import Places
from xim.serve.stands import Stand
from xim.sim.server import Options as SimOptions
from xim.sim.server import Simulator
from xim.web.call import Address


async def stand_of(options: EngineOptions, sim: SimOptions, stack: AsyncExitStack) -> Stand:
    """Return how it is watched and how it is asked; what was started ends with ``stack``."""
    kind = KINDS[options.kind]
    url = options.url or kind.default_url
    if options.kind == "sim":
        port = await stack.enter_async_context(Simulator(sim).serve())
        url = f"http://{LOOPBACK}:{port}/v1"
    if options.gguf is not None:
        url = f"http://{LOOPBACK}:0/v1"
    engine = Engine(Address.of(url), options.key)
    adapter = kind(Options(engine.address, options.key, options.task, options.allow_remote_models))
    stand = Stand(adapter, engine, Places(options.slots or kind.slots))
    if options.gguf is not None:
        await _start(options.gguf, stand, stack)
    return stand


async def _start(gguf: Gguf, stand: Stand, stack: AsyncExitStack) -> None:
    engine = stand.engine

    def moved(port: int) -> None:
        engine.address = Address(LOOPBACK, port, "/v1", is_secured=False)
        stand.adapter.moved(engine.address, engine.key)

    child = await stack.enter_async_context(launch.started(gguf, moved))
    engine.key = child.key
