"""``xim run``: puts engine, links, token and whoever asks together, and ends them in order."""

from __future__ import annotations

import asyncio
import logging
import random
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from xim import facts
from xim.agent import figures, socket
from xim.agent.keeper import Keeper
from xim.agent.node import Node
from xim.agent.renewal import Renewal
from xim.control import trust
from xim.control.api import Platform
from xim.engines import launch
from xim.engines.adapter import Adapter, Options
from xim.engines.kinds import KINDS
from xim.engines.launch import Gguf
from xim.faults import DONE, Stop
from xim.link.connection import Life, Where
from xim.link.timing import BackOff
from xim.serve.answer import Engine
from xim.serve.places import Places
from xim.sim.server import Options as SimOptions
from xim.sim.server import Simulator
from xim.state import State
from xim.web.call import Address
from xim.web.server import Asked, Port, Reply

log = logging.getLogger("xim.agent")

LOOK_S = 3.0
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What ``xim run`` was told."""

    state: Path
    engine: str = "openai"
    engine_url: str = ""
    engine_key: str = ""
    task: str = ""
    slots: int = 0
    allow_remote_models: bool = False
    gguf: Gguf | None = None
    sim: SimOptions = field(default_factory=SimOptions)
    metrics_port: int | None = None
    metrics_host: str = LOOPBACK
    grace_s: float = 30.0


class Agent:
    """A machine that serves, from its start to its end."""

    def __init__(self, options: RunOptions, node: Node, renewal: Renewal, where: Where) -> None:
        self.node, self.renewal = node, renewal
        self.keeper = Keeper(node, where, self._renew, Life())
        self._options = options
        node.on_change = self.keeper.changed
        renewal.on_token = self._token
        renewal.on_stop = self.keeper.stop

    def _token(self, token: str) -> None:
        self.node.token = token
        self.keeper.renewed(token)

    async def _renew(self) -> None:
        await self.renewal.now()

    def drain(self, reason: str) -> dict[str, object]:
        """Take nothing new, and end when what runs has ended."""
        if not self.node.drains:
            running = self.node.places.running
            log.info("draining reason=%s running=%d", reason, running)
            self.node.drains = True
            self.keeper.drain(reason)
        return {"draining": True, "requests": self.node.places.running}

    async def run(self) -> int:
        """Serve until told to stop, and until what runs has ended; return the exit code."""
        answers: socket.Answers = {
            "status": lambda: figures.status(self.node, self.keeper),
            "drain": lambda: self.drain("xim drain"),
        }
        state = State(self._options.state)
        async with socket.listening(state.socket, answers), self._metrics():
            await self.node.look()
            async with asyncio.TaskGroup() as group:
                beside = [
                    group.create_task(self.node.watch(LOOK_S)),
                    group.create_task(self.renewal.run(BackOff(random.Random()))),  # noqa: S311
                ]
                links = group.create_task(self.keeper.run())
                self._on_signals(links)
                lost = group.create_task(self._lost())
                await asyncio.wait([links, lost], return_when=asyncio.FIRST_COMPLETED)
                for task in (*beside, links, lost):
                    task.cancel()
        if self.keeper.lost.done() and not self.keeper.lost.cancelled():
            raise self.keeper.lost.result()
        log.info("stopped")
        return DONE

    async def _lost(self) -> None:
        await asyncio.shield(self.keeper.lost)

    def _on_signals(self, links: asyncio.Task[None]) -> None:
        loop = asyncio.get_running_loop()

        def stop() -> None:
            if self.node.drains:
                links.cancel()
                return
            self.drain("stopping")
            loop.call_later(self._options.grace_s, links.cancel)

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)

    @asynccontextmanager
    async def _metrics(self) -> AsyncIterator[None]:
        if self._options.metrics_port is None:
            yield
            return
        host, port = self._options.metrics_host, self._options.metrics_port
        try:
            async with Port(self._page).open(host, port) as taken:
                log.info("metrics http://%s:%d/metrics", host, taken)
                yield
        except OSError as fault:
            raise Stop(f"--metrics-port {port} can't be had: {fault.strerror}.") from fault

    async def _page(self, asked: Asked, reply: Reply) -> None:
        if asked.path == "/metrics":
            said = figures.metrics(self.node, self.keeper).encode()
            await reply.whole(200, said, "text/plain; version=0.0.4")
        else:
            await reply.json(404, {"error": "there is /metrics and nothing else"})


async def run(options: RunOptions) -> int:
    """Start the engine where it is ours, then serve."""
    state = State(options.state)
    with state.lock():
        identity, enrollment = state.enrolled()
        trusted = trust.context_of(enrollment.ca_pem)
        platform = Platform(enrollment.url, trusted, time.time)
        async with AsyncExitStack() as stack:
            adapter, engine = await _engine(options, stack)
            slots = options.slots or adapter.slots
            node = Node(
                identity=identity,
                token=enrollment.token,
                adapter=adapter,
                engine=engine,
                places=Places(slots),
                machine=await asyncio.to_thread(facts.facts),
                quirks=options.sim.quirks if options.engine == "sim" else "",
            )
            renewal = Renewal(state, identity, enrollment, platform)
            log.info("agent %s engine=%s slots=%d", enrollment.agent, adapter.kind, slots)
            agent = Agent(options, node, renewal, Where(enrollment.tunnel, trusted))
            return await agent.run()


async def _engine(options: RunOptions, stack: AsyncExitStack) -> tuple[Adapter, Engine]:
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
