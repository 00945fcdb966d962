"""A gateway over each edge, on a real socket, with a real Valkey and scripted workers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import redis
from django.conf import settings

from inference.edges.flow import has_left
from inference.exchange.config import PlaneConfig, Waits
from inference.exchange.exchange import Exchange
from inference.gateway.gateway import Gateway
from inference.gateway.ops import Check
from tests.clock import own_time
from tests.plane.caller import Connection, Heard
from tests.plane.workers import Script, ScriptedWorker
from tests.plane.world import OLD_PEPPER, PEPPER, TERMS, World
from xerotier_site.plane import PlaneMount
from xerotier_site.server import PlatformServer

UVLOOP = ("asyncio", {"use_uvloop": True})
LOOPS = [pytest.param(UVLOOP, id="uvloop"), pytest.param("asyncio", id="asyncio")]
ON_BOTH_LOOPS = frozenset(
    f"tests.plane.test_{part}"
    for part in ("connection", "departures", "loops", "pressure", "streams", "upload_holds")
)
"""Where the two event loops might differ: flow control, ends of connections, framing."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "anyio_backend" in metafunc.fixturenames and metafunc.module.__name__ in ON_BOTH_LOOPS:
        metafunc.parametrize("anyio_backend", LOOPS)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the fast edge to a run over the compiled plane, where that is promised."""
    if config.option.fast_edge_apart:
        apart = [n for n in items if n.nodeid.startswith("tests/plane/") and "fast" in n.nodeid]
        config.hook.pytest_deselected(items=apart)
        items[:] = [item for item in items if item not in set(apart)]


@pytest.fixture
def anyio_backend() -> object:
    """Run on the event loop of production."""
    return UVLOOP


@pytest.fixture(params=["asgi", "fast"])
def edge(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@dataclass
class Running:
    """A gateway under test."""

    port: int
    gateway: Gateway
    server: PlatformServer
    connections: list[Connection] = field(default_factory=list)

    def exchanges(self) -> list[Exchange]:
        """Return what runs, as what it is."""
        return [one for one in self.gateway.plane.running if isinstance(one, Exchange)]

    async def connect(self, **options: Any) -> Connection:
        connection = await Connection.open(self.port, **options)
        self.connections.append(connection)
        return connection

    async def ask(self, data: bytes) -> Heard:
        connection = await self.connect()
        await connection.send(data)
        return await connection.answer()


@asynccontextmanager
async def serve(
    config: PlaneConfig,
    behind: Any = None,
    checks: Sequence[tuple[str, Check]] = (),
    listener: socket.socket | None = None,
) -> AsyncIterator[Running]:
    mount = PlaneMount(config, behind, checks)
    listener = listener or socket.create_server(("127.0.0.1", 0))
    server = PlatformServer(mount)
    # In no group: a test that fails would cancel it, and what it leaves open hangs uvloop's close.
    serving = asyncio.ensure_future(server.serve(sockets=[listener]))
    running = Running(listener.getsockname()[1], await _started(mount, server), server)
    try:
        yield running
    finally:
        for connection in running.connections:
            connection.reset()
        server.stop()
        await serving


async def _started(mount: PlaneMount, server: PlatformServer) -> Gateway:
    async with asyncio.timeout(15):
        while not server.started:
            await asyncio.sleep(0.002)
        gateway = await mount.started()
        while not gateway.tables.is_hearing():
            await asyncio.sleep(0.002)
    return gateway


@pytest.fixture
def config(edge: str, tmp_path: Any) -> PlaneConfig:
    return PlaneConfig(
        valkey_url=settings.PLANE_VALKEY,
        peppers=(PEPPER, OLD_PEPPER),
        allowed_hosts=("localhost",),
        journal_dir=str(tmp_path / "journal"),
        fast_edge=edge == "fast",
        waits=Waits(drain_delay_s=0.0, grace_s=2.0, probe_every_s=0.0),
    )


@pytest.fixture
def world(valkey: redis.Redis) -> World:
    """Publish a key and an endpoint; each test says who serves it."""
    world = World(valkey)
    world.open_shards()
    world.grant()
    world.route()
    return world


@pytest.fixture
def sold(world: World) -> World:
    """Let a token cost a micro-unit, so that tokens and cost are one figure."""
    terms = replace(TERMS, price_per_million=1_000_000)
    world.route(version=2, terms=terms, context_length=2048)
    world.top_up(10**9)
    return world


Hire = Callable[..., Awaitable[ScriptedWorker]]


@pytest.fixture
async def hire(world: World) -> AsyncIterator[Hire]:
    """Start workers and publish them as the endpoint's pool."""
    hired: list[ScriptedWorker] = []

    async def start(*scripts: Script, **changes: Any) -> ScriptedWorker:
        worker = ScriptedWorker(*scripts)
        await worker.start()
        hired.append(worker)
        world.serve(*(known.url for known in hired), version=len(hired), **changes)
        return worker

    yield start
    for worker in hired:
        await worker.stop()


@pytest.fixture
async def running(config: PlaneConfig, world: World) -> AsyncIterator[Running]:
    async with serve(config) as running:
        # Until it has seen that Valkey is whole, it takes nobody for a stranger.
        await until(lambda: running.gateway.admission.limiter.is_restored)
        yield running
        # A fault there costs no request, so no test would see it.
        assert not running.gateway.choosing.router.faults


async def until(condition: Callable[[], object], timeout_s: float = 3.0) -> None:
    """Wait until something is so; what we wait for a processor meanwhile does not count."""
    began = own_time()
    while not condition():
        if own_time() - began > timeout_s:
            raise TimeoutError
        await asyncio.sleep(0.002)


async def departure(running: Running, leave: Callable[[], object]) -> float:
    """Let the only caller leave; return the last moment at which our kernel had no FIN of his."""
    [protocol] = running.server.server_state.connections
    leave()
    moment = own_time()
    async with asyncio.timeout(3):
        while not has_left(protocol.transport):
            moment = own_time()
            await asyncio.sleep(0)
    return moment
