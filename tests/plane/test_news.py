"""How fast a gateway hears of a change, also in another process, and what it does in the dark."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from django.conf import settings

from inference.contracts.keys import digest_of
from inference.contracts.names import grant_key
from inference.exchange.config import PlaneConfig
from tests.clock import Stopwatch
from tests.plane.caller import Connection, Heard, request
from tests.plane.conftest import Hire, Running, serve, until
from tests.plane.workers import answer, completion
from tests.plane.world import ASK, CHAT, KEY, OLD_PEPPER, PEPPER, World, make_key

pytestmark = pytest.mark.anyio

REVOKED_WITHIN_S = 1.0


@asynccontextmanager
async def second_gateway(journal: Path, **said: str) -> AsyncIterator[int]:
    """Run the data plane alone, in a process of its own; it has no Django."""
    port = free_port()
    environment = {
        "VALKEY_URL": settings.VALKEY_URL,
        "XEROTIER_ENV": "test",
        "XEROTIER_PEPPERS": f"new:{PEPPER.decode()},old:{OLD_PEPPER.decode()}",
        "XEROTIER_PORT": str(port),
        "XEROTIER_HOME": "/nonexistent",
        "XEROTIER_JOURNAL_DIR": str(journal),
        "XEROTIER_DRAIN_DELAY_S": "0",
        **said,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "xerotier_site.server", "--plane", env=environment
    )
    try:
        await answers(port)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 10) == 0


async def answers(port: int) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                if (await ask(port, request("/readyz", method="GET"))).status == 200:
                    return
            except (OSError, asyncio.IncompleteReadError):
                pass  # Nobody listens yet, or whoever accepted has just been killed.
            await asyncio.sleep(0.02)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


async def ask(port: int, data: bytes) -> Heard:
    connection = await Connection.open(port)
    try:
        await connection.send(data)
        return await connection.answer()
    finally:
        connection.reset()


async def test_revoked_key_is_refused_within_a_second_by_another_process(
    world: World, hire: Hire, tmp_path: Path
) -> None:
    await hire([answer(completion())])
    async with second_gateway(tmp_path) as port:
        assert (await ask(port, request(CHAT, ASK, key=KEY))).status == 200

        world.grant(version=2, gone=True)
        revoked = Stopwatch()
        while (await ask(port, request(CHAT, ASK, key=KEY))).status == 200:
            assert revoked.seconds() < REVOKED_WITHIN_S

        assert (await ask(port, request(CHAT, ASK, key=KEY))).status == 401


async def test_new_key_works_at_once_also_where_it_was_unknown_a_moment_ago(
    running: Running, world: World, hire: Hire
) -> None:
    await hire([answer(completion())])
    fresh, moment = make_key(7), asyncio.get_running_loop().time()
    name = grant_key(digest_of(fresh.encode(), PEPPER))
    # Its clock stands still: that the key was unknown does not go stale, it has to be told.
    running.gateway.tables._now = lambda: moment
    unknown = await running.ask(request(CHAT, ASK, key=fresh))
    assert running.gateway.tables.is_absent(name)

    world.grant(fresh)
    # The news and a request are on different connections: either may be read first.
    await until(lambda: not running.gateway.tables.is_absent(name))
    known = await running.ask(request(CHAT, ASK, key=fresh))

    assert (unknown.status, known.status) == (401, 200)


async def test_key_digested_with_the_older_pepper_works(
    running: Running, world: World, hire: Hire
) -> None:
    await hire([answer(completion())])
    old = make_key(8)
    world.grant(old, pepper=OLD_PEPPER)

    said = [(await running.ask(request(CHAT, ASK, key=old))).status for _ in range(2)]

    assert said == [200, 200]


async def test_change_that_no_channel_announced_is_seen_when_the_channel_is_silent(
    running: Running, world: World, hire: Hire
) -> None:
    await hire([answer(completion())])
    await running.ask(request(CHAT, ASK, key=KEY))
    await running.gateway.published.changes.stop()
    await until(lambda: not running.gateway.tables.is_hearing())

    world.grant(version=2, gone=True)

    assert (await running.ask(request(CHAT, ASK, key=KEY))).status == 401


@pytest.fixture
async def darkness(config: PlaneConfig, world: World, hire: Hire) -> AsyncIterator[Running]:
    """A gateway that served once, and whose Valkey is then out of reach."""
    await hire([answer(completion())])
    async with serve(config) as running:
        assert (await running.ask(request(CHAT, ASK, key=KEY))).status == 200
        await running.gateway.published.changes.stop()
        await running.gateway.link.stop()
        await until(lambda: not running.gateway.tables.is_hearing())
        yield running


async def test_known_key_is_served_while_valkey_is_away(darkness: Running) -> None:
    heard = await darkness.ask(request(CHAT, ASK, key=KEY))

    assert heard.status == 200
    assert darkness.gateway.admission.journal.pending >= 1


async def test_unknown_key_is_not_called_bad_while_valkey_is_away(darkness: Running) -> None:
    heard = await darkness.ask(request(CHAT, ASK, key=make_key(5)))

    assert (heard.status, heard.error["code"]) == (503, "service_unavailable")
    assert heard.header("retry-after") is not None


async def test_readiness_says_that_valkey_is_away(darkness: Running) -> None:
    heard = await darkness.ask(request("/readyz", method="GET"))

    assert heard.status == 503
    assert json.loads(heard.body)["not_ready"] == {"valkey": "Valkey can't be reached"}


async def test_memory_serves_for_a_while_and_no_longer(
    config: PlaneConfig, world: World, hire: Hire
) -> None:
    await hire([answer(completion())])

    async with serve(replace(config, outage_s=0.1)) as running:
        await running.ask(request(CHAT, ASK, key=KEY))
        await running.gateway.published.changes.stop()
        await running.gateway.link.stop()
        async with asyncio.timeout(3):
            while (await running.ask(request(CHAT, ASK, key=KEY))).status == 200:
                await asyncio.sleep(0.02)
        heard = await running.ask(request(CHAT, ASK, key=KEY))

    assert (heard.status, heard.error["code"]) == (503, "service_unavailable")


async def test_event_that_valkey_missed_arrives_when_it_is_back(
    darkness: Running, world: World
) -> None:
    heard = await darkness.ask(request(CHAT, ASK, key=KEY))
    missed = heard.header("x-xerotier-request-id")

    darkness.gateway.link.start()

    await until(lambda: missed in {event["request_id"] for event in world.events()})
    await until(lambda: darkness.gateway.admission.journal.pending == 0)
