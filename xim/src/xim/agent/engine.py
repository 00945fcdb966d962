"""The engine that an agent stands before: there already, simulated, or started by us."""

from __future__ import annotations

from contextlib import AsyncExitStack

from xim.agent.options import LOOPBACK, RunOptions
from xim.engines import launch
from xim.engines.adapter import Adapter, Options
from xim.engines.kinds import KINDS
from xim.engines.launch import Gguf
from xim.serve.answer import Engine
from xim.sim.server import Simulator
from xim.web.call import Address


async def engine_of(options: RunOptions, stack: AsyncExitStack) -> tuple[Adapter, Engine]:
    """Return how it is watched and how it is asked; what was started ends with ``stack``."""
    kind = KINDS[options.engine]
    url, key = options.engine_url or kind.default_url, options.engine_key
    if options.engine == "sim":
        port = await stack.enter_async_context(Simulator(options.sim).serve())
        url = f"http://{LOOPBACK}:{port}/v1"
    if options.gguf is not None:
        url = f"http://{LOOPBACK}:0/v1"
    engine = Engine(Address.of(url), key)
    adapter = kind(Options(engine.address, key, options.task, options.allow_remote_models))
    if options.gguf is not None:
        await _start(options.gguf, adapter, engine, stack)
    return adapter, engine


async def _start(gguf: Gguf, adapter: Adapter, engine: Engine, stack: AsyncExitStack) -> None:
    def moved(port: int) -> None:
        engine.address = Address(LOOPBACK, port, "/v1", is_secured=False)
        adapter.moved(engine.address, engine.key)

    child = await stack.enter_async_context(launch.started(gguf, moved))
    engine.key = child.key
