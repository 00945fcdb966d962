"""The server as a program: several processes on one port, one count of them all, a clean end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
from django.conf import settings

from tests.plane.caller import request
from tests.plane.conftest import Hire, until
from tests.plane.test_news import answers, ask, free_port
from tests.plane.workers import answer, completion
from tests.plane.world import ASK, CHAT, KEY, PEPPER, World

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def processes(port: int, log: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    environment = {
        "VALKEY_URL": settings.VALKEY_URL,
        "XEROTIER_ENV": "test",
        "XEROTIER_PEPPERS": f"new:{PEPPER.decode()}",
        "XEROTIER_HOME": "/nonexistent",
        "XEROTIER_DRAIN_DELAY_S": "0",
        "XEROTIER_WORKERS": "2",
    }
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "xerotier_site.server", "--plane", "--port", str(port)),
            env=environment,
            stdout=output,
            stderr=output,
        )
    try:
        await answers(port)
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), 10)


async def test_processes_share_a_port_and_add_up_their_counts(
    world: World, hire: Hire, tmp_path: Path
) -> None:
    await hire([answer(completion())])
    port, log = free_port(), tmp_path / "log"

    async with processes(port, log) as process:
        await until(lambda: len(psutil.Process(process.pid).children()) == 2)
        for _ in range(20):
            assert (await ask(port, request(CHAT, ASK, key=KEY))).status == 200
        async with asyncio.timeout(20):
            while b'status="200"} 20.0' not in await scrape(port):
                await asyncio.sleep(0.1)

    assert process.returncode == 0
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert len([line for line in lines if line["event"] == "inference_request"]) == 20
    assert KEY not in log.read_text()


async def scrape(port: int) -> bytes:
    return (await ask(port, request("/metrics", method="GET"))).body


async def test_dead_process_is_replaced(world: World, hire: Hire, tmp_path: Path) -> None:
    await hire([answer(completion())])
    port = free_port()

    async with processes(port, tmp_path / "log") as process:
        parent = psutil.Process(process.pid)
        await until(lambda: len(parent.children()) == 2)
        first = {child.pid for child in parent.children()}
        os.kill(min(first), signal.SIGKILL)
        await until(lambda: len({child.pid for child in parent.children()} - first) == 1, 10.0)
        await answers(port)
        assert (await ask(port, request(CHAT, ASK, key=KEY))).status == 200


async def test_no_process_outlives_its_parent(world: World, tmp_path: Path) -> None:
    port = free_port()

    async with processes(port, tmp_path / "log") as process:
        children = psutil.Process(process.pid).children()
        process.kill()
        _, alive = psutil.wait_procs(children, timeout=10)

    assert alive == []
