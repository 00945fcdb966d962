"""The agent while it runs: links, token, figures and whoever asks, ended in order."""

from __future__ import annotations

import asyncio
import logging
import random
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from xim.agent import figures, socket
from xim.agent.keeper import Keeper
from xim.agent.node import Node
from xim.agent.options import RunOptions
from xim.agent.renewal import Renewal
from xim.faults import DONE, Stop
from xim.link.connection import Life, Where
from xim.link.timing import BackOff
from xim.state import State
from xim.web.server import Asked, Port, Reply

log = logging.getLogger("xim.agent")

LOOK_S = 3.0


class Agent:
    """A machine that serves, from its start to its end."""

    def __init__(self, options: RunOptions, node: Node, renewal: Renewal, where: Where) -> None:
        self.node, self.renewal = node, renewal
        self.keeper = Keeper(node, where, self._renew, Life())
        self._options = options
        node.on_change = self.keeper.changed
        node.on_drain = self._drain_as_asked
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
            running = self.node.requests
            log.info("draining reason=%s running=%d", reason, running)
            self.node.drains = True
            self.keeper.drain(reason)
        return {"draining": True, "requests": self.node.requests}

    def _drain_as_asked(self) -> None:
        self.drain("its owner asked for it")

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
