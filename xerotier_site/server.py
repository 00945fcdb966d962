"""Serve the platform: both planes on one port, or one of them; stopped in good order.

``python -m xerotier_site.server [--host H] [--port P] [--workers N] [--plane | --control]``
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Generator
from dataclasses import replace
from functools import partial
from types import FrameType

import uvicorn
from uvicorn.importer import import_from_string

from xerotier_site import compiled, env

if __name__ == "__main__":
    compiled.use()  # Before the first module of the data plane is imported.

from inference.edges.context import EdgeContext
from inference.edges.protocol import PlatformProtocol
from inference.gateway.gateway import Gateway
from xerotier_site.logs import configure_logging
from xerotier_site.plane import PlaneMount, before, read_config
from xerotier_site.prefork import PreforkServers, end_with_parent

BACKLOG = 4096
TICK_S = 0.1
"""uvicorn's: with each tenth it renews the header ``Date``."""
LAST_WORK_S = 5.0
"""After the grace: the last events, the last log lines."""

GC_EVERY = (5_000, 5, 5)
"""New objects between two searches for cycles, and how many searches until an older generation
is searched, too. Python's 700 fit scripts: a gateway would look, some hundred times a second,
through requests that are all still alive. Ours leave no cycles, but connections do, and those
hold buffers, so the oldest generation is searched more often than Python would. The first figure
is above what a hundred requests at once keep alive: below it, each wave of them is searched."""

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class PlatformServer(uvicorn.Server):
    """uvicorn with our protocol, and with our own way of stopping."""

    def __init__(self, mount: PlaneMount, application: object = None, **options: object) -> None:
        self.mount = mount
        self.context = EdgeContext(mount.config)
        self._told = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        settings = {
            "http": partial(PlatformProtocol, self.context),
            "lifespan": "on",
            "log_config": None,
            "access_log": False,
            "server_header": False,
            "proxy_headers": False,  # Who calls is read once, by our rules (edges.forwarded).
            "backlog": BACKLOG,
            "ws_max_size": 1024 * 1024,
            **options,
        }
        super().__init__(uvicorn.Config(application or mount, **settings))  # type: ignore[arg-type] # why: its options are typed one by one

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the gateway before the first connection can come."""
        gateway = await self.mount.started()
        self.context.plane = gateway.plane
        self.context.turned_away = gateway.turned_away
        self.context.door = gateway.agents.tunnel
        self.context.watch(self.server_state.connections)
        await super().startup(sockets)

    async def main_loop(self) -> None:
        """Serve until told to stop, and then stop at once: uvicorn would sleep out its tick."""
        self._loop, tick = asyncio.get_running_loop(), 0
        while not await self.on_tick(tick):
            tick += 1
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._told.wait()

    def stop(self) -> None:
        """Begin to stop."""
        self.should_exit = True
        self._told.set()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop, as a signal said that came in the middle of anything."""
        super().handle_exit(sig, frame)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._told.set)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop in good order.

        Until the load balancer has seen that we are not ready, what it still sends is served,
        and each connection ends with its answer. Then nothing new is let in. What runs may
        finish, for ``grace_s``; then streams end with an error they can read. uvicorn's own way
        would close every connection without a cycle, and those are all our streams.
        """
        waits, gateway = self.mount.config.waits, await self.mount.started()
        gateway.plane.stopping = True
        end = asyncio.get_running_loop().time() + waits.grace_s
        await _pass(waits.drain_delay_s)
        gateway.plane.draining = True
        gateway.agents.tunnel.drain()
        for listener in self.servers:
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await self._wait_for_the_end(gateway, end)
        for exchange in list(gateway.plane.running):
            exchange.stop()
        await asyncio.sleep(0.1 if self.server_state.connections else 0)
        for task in list(self.server_state.tasks):
            task.cancel()
        for connection in list(self.server_state.connections):
            connection.transport.close()
        self.context.stop()
        await self.lifespan.shutdown()

    async def _wait_for_the_end(self, gateway: Gateway, end: float) -> None:
        """Let callers have their answers, and those of other gateways for which we ask an agent."""
        loop = asyncio.get_running_loop()

        def is_waited_for() -> bool:
            runs = bool(self.server_state.connections or gateway.hops.host.running)
            return runs and not self.force_exit and loop.time() < end

        while is_waited_for():  # noqa: ASYNC110 - polled: it happens once in a process' life
            await asyncio.sleep(0.02)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Stop on SIGTERM and SIGINT, and then end as a success: being told to is no failure."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in STOP_SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


async def _pass(seconds: float) -> None:
    """Sleep so long, and not a moment less: the loop's own clock counts milliseconds."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:  # noqa: ASYNC110 - nothing but time is waited for
        await asyncio.sleep(left)


def main(arguments: list[str] | None = None) -> int:
    """Serve until told to stop."""
    asked = _parser().parse_args(arguments)
    configure_logging()
    if asked.workers > 1 and asked.fd is None and not asked.control:
        return _serve_together(asked)
    if asked.control:
        return _serve_control(asked)
    mount, application = _what_is_served(asked)
    if asked.metrics_dir:
        mount.config = replace(mount.config, metrics_dir=asked.metrics_dir)
    # What is here now stays: nobody need look through it again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_EVERY)
    if asked.fd is None:
        PlatformServer(mount, application, host=asked.host, port=asked.port).run()
    else:
        end_with_parent(asked.parent)
        PlatformServer(mount, application).run([socket.socket(fileno=asked.fd)])
    return 0


def _what_is_served(asked: argparse.Namespace) -> tuple[PlaneMount, object]:
    if asked.plane and asked.socket:
        mount = before(asked.socket)
        return mount, mount
    module = "xerotier_site.plane" if asked.plane else "xerotier_site.asgi"
    mount = import_from_string(f"{module}:mount")
    return mount, import_from_string(f"{module}:application")


def _serve_control(asked: argparse.Namespace) -> int:
    # Imported late: a gateway alone has no use for it.
    from xerotier_site import control  # noqa: PLC0415

    application = import_from_string("xerotier_site.asgi:control")
    grace_s = read_config().waits.grace_s
    control.serve(
        application, host=asked.host, port=asked.port, socket=asked.socket, grace_s=grace_s
    )
    return 0


def _serve_together(asked: argparse.Namespace) -> int:
    listener = socket.create_server((asked.host, asked.port), backlog=BACKLOG)
    waits = read_config().waits
    if env.mistakes:  # Each process says all of them; many would say so for ever.
        raise env.BadSettings(env.mistakes)
    with tempfile.TemporaryDirectory(prefix="xt-metrics-") as folder:
        arguments = ["--metrics-dir", folder, *(["--plane"] if asked.plane else [])]
        arguments += ["--socket", asked.socket] if asked.socket else []
        patience_s = waits.drain_delay_s + waits.grace_s + LAST_WORK_S
        return PreforkServers(listener, arguments, asked.workers).run(patience_s)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="xerotier_site.server", description=__doc__)
    parser.add_argument("--host", default=env.text("XEROTIER_HOST", "127.0.0.1"))
    parser.add_argument("--port", type=int, default=env.number("XEROTIER_PORT", 8000))
    parser.add_argument("--workers", type=int, default=env.number("XEROTIER_WORKERS", 1, least=1))
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--plane", action="store_true", help="the data plane alone")
    which.add_argument("--control", action="store_true", help="the control plane alone")
    parser.add_argument(
        "--socket",
        default="",
        help="a unix socket: where --control listens, or where --plane hands on what is not its",
    )
    parser.add_argument("--fd", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--parent", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--metrics-dir", default="", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
