"""Two gateways restarted one after the other under load: not one request is lost.

Each edge is one of the two. Callers stay and never leave; whatever they ask is answered whole,
by a worker that was asked once, and booked once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.conf import settings

from tests.plane.caller import Connection, Heard
from tests.plane.conftest import until
from tests.plane.test_news import answers, free_port
from tests.plane.world import TERMS, World
from tests.soak.callers import Caller, Tally, parts_of
from tests.soak.gateways import Gateway
from tests.soak.ledger import Ledger
from tests.soak.worker import Worker
from tests.tools import nginx

pytestmark = pytest.mark.anyio

CALLERS = 12
DRAIN_S = 1
STEADY_S = 0.5
REFUSED = '"status":503'
"""In the log: what a stopping gateway turned away, and the other one answered."""


class Staying(Caller):
    """A caller who never leaves."""

    leave_share = 0.0


class Roaming(Staying):
    """A caller who goes to the other gateway, as SDKs try again: when told to come later, or
    when a connection ends before the answer begins. Nothing else is forgiven."""

    ports: tuple[int, ...] = ()

    async def _stay(self, connection: Connection, name: str, kind: str) -> None:
        while (heard := await self._heard(connection, name, kind)) is None:
            connection.reset()
            connection = self._connection = await self._other()
        self._take(heard, name, kind)

    async def _heard(self, connection: Connection, name: str, kind: str) -> Heard | None:
        try:
            for part in parts_of(name, kind):
                await connection.send(part)
            heard = await connection.head()
        except (ConnectionError, asyncio.IncompleteReadError):
            return None
        await connection.rest(heard)
        return None if heard.status == 503 else heard

    async def _other(self) -> Connection:
        while True:
            self._port = self.ports[self.ports.index(self._port) - 1]
            with contextlib.suppress(ConnectionRefusedError):
                return await Connection.open(self._port)
            await asyncio.sleep(0.01)


@dataclass
class Site:
    """What is restarted, and who is asked."""

    gateways: list[Gateway]
    worker: Worker
    ledger: Ledger

    async def roll(self) -> None:
        """Restart one gateway after the other, with steady load around."""
        for gateway in self.gateways:
            await asyncio.sleep(STEADY_S)
            assert await gateway.stop() == 0
            await gateway.start(settings.VALKEY_URL)
        await asyncio.sleep(STEADY_S)

    async def judge(self, tally: Tally) -> None:
        """Compare what callers, the worker and the books say."""
        assert tally.faults == []
        assert len(tally.asked) > CALLERS * 10
        await until(lambda: self._settled(tally), 10.0)
        assert self.ledger.faults(tally) == []
        assert self.ledger.endings == {"complete": len(tally.asked)}
        assert self.worker.answered == len(tally.asked)
        said = [line for gateway in self.gateways for line in gateway.complaints()]
        assert [line for line in said if REFUSED not in line] == []

    def _settled(self, tally: Tally) -> bool:
        self.ledger.take()
        return self.ledger.endings.total() >= len(tally.asked)


@pytest.fixture
async def site(world: World, tmp_path: Path) -> AsyncIterator[Site]:
    worker = Worker()
    world.route(version=2, terms=TERMS)
    world.serve(await worker.start())
    gateways = [Gateway(edge, free_port(), tmp_path, DRAIN_S) for edge in ("fast", "asgi")]
    for gateway in gateways:
        await gateway.start(settings.VALKEY_URL)
    yield Site(gateways, worker, Ledger(world.valkey))
    for gateway in gateways:
        await gateway.stop()
    worker.stop()


async def under_load(site: Site, callers: Sequence[Caller]) -> None:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for caller in callers:
            group.create_task(caller.run(stop))
        try:
            await site.roll()
        finally:
            stop.set()


async def test_rolling_restart_loses_nothing_of_callers_who_try_again(site: Site) -> None:
    tally, ports = Tally(), tuple(gateway.port for gateway in site.gateways)
    callers = [Roaming(f"c{n}", ports[n % 2], tally, seed=n) for n in range(CALLERS)]
    for caller in callers:
        caller.ports = ports

    await under_load(site, callers)

    await site.judge(tally)


# The same restart without nginx is tested above everywhere; `.ci/run` installs nginx for this one.
@pytest.mark.skipif(bool(nginx.reason()), reason=nginx.reason() or "nginx is here")
async def test_rolling_restart_behind_nginx_loses_nothing(site: Site, tmp_path: Path) -> None:
    port, tally = free_port(), Tally()
    ports = [gateway.port for gateway in site.gateways]

    async with nginx.in_front_of(ports, port, tmp_path):
        await answers(port)
        callers = [Staying(f"c{n}", port, tally, seed=n) for n in range(CALLERS)]
        await under_load(site, callers)

    await site.judge(tally)
