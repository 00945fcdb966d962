"""What a worker answers, and how long a tenant waits, is never held against the worker."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from inference.exchange.config import PlaneConfig
from tests.plane.caller import request
from tests.plane.conftest import Hire, Running, serve, until
from tests.plane.workers import (
    BREAK,
    SSE_HEAD,
    Asked,
    Script,
    ScriptedWorker,
    answer,
    chunk,
    completion,
    delta,
)
from tests.plane.world import ASK, CHAT, KEY, PROJECT, RIVAL, TERMS, World, make_key

pytestmark = pytest.mark.anyio

BAD = {**ASK, "messages": [{"role": "user", "content": "a picture"}]}
WORDS = "image input is not supported"
SAID = json.dumps({"error": {"code": 500, "message": WORDS, "type": "server_error"}}).encode()
THEIRS = make_key(2)
THEIR_CHAT = CHAT.replace(PROJECT, RIVAL)


class Engine(ScriptedWorker):
    """Fails at pictures, as llama.cpp does; is slow where it is asked to be; lists its models."""

    def __init__(self, failure: Script) -> None:
        super().__init__([answer(completion())])
        self.failure = failure

    def script_of(self, asked: Asked) -> Script:
        return self.failure if b"a picture" in asked.body else self.scripts[0]


@pytest.fixture
async def probing(config: PlaneConfig, world: World) -> AsyncIterator[Running]:
    waits = replace(config.waits, probe_every_s=0.1, probe_s=0.2)
    world.grant(THEIRS, project=RIVAL, key_id="key_Rex")
    world.route(project=RIVAL, endpoint_id="ep_Rival0000001")
    async with serve(replace(config, waits=waits)) as running:
        yield running


async def employ(world: World, failure: Script, count: int) -> list[Engine]:
    engines = [Engine(failure) for _ in range(count)]
    for engine in engines:
        await engine.start()
    world.serve(*(engine.url for engine in engines), version=100)
    return engines


async def pester(running: Running, stop: asyncio.Event) -> list[int]:
    """Ask for what fails, again and again."""
    heard = []
    while not stop.is_set():
        heard.append((await running.ask(request(CHAT, BAD, key=KEY))).status)
        await asyncio.sleep(0.01)
    return heard


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize(
    "failure",
    [
        pytest.param([answer(SAID, 500)], id="it says 500"),
        pytest.param([answer(b"", 503)], id="it says 503"),
        pytest.param([answer(b"<html>", 504, "text/html")], id="its proxy gave up"),
        pytest.param([BREAK], id="it breaks off"),
    ],
)
async def test_one_tenant_takes_a_model_from_nobody(
    probing: Running, world: World, failure: Script, count: int
) -> None:
    engines = await employ(world, failure, count)
    stop = asyncio.Event()
    attack = [asyncio.ensure_future(pester(probing, stop)) for _ in range(3)]

    said = []
    for _ in range(60):
        said.append((await probing.ask(request(THEIR_CHAT, ASK, key=THEIRS))).status)
        await asyncio.sleep(0.02)
    stop.set()
    failed = [status for heard in await asyncio.gather(*attack) for status in heard]

    assert said == [200] * 60
    assert set(failed) == {502}
    assert len(failed) > 60
    assert probing.gateway.health.out() == []
    for engine in engines:
        await engine.stop()


@pytest.mark.parametrize("streamed", [False, True])
async def test_tenants_own_short_limit_says_nothing_about_the_worker(
    probing: Running, world: World, streamed: bool
) -> None:
    world.route(version=2, terms=replace(TERMS, request_timeout_s=0.2))
    [engine] = await employ(world, [...], 1)
    body = {**BAD, "stream": streamed}

    hasty = [probing.ask(request(CHAT, body, key=KEY)) for _ in range(6)]
    late = [heard.status for heard in await asyncio.gather(*hasty)]
    said = [(await probing.ask(request(THEIR_CHAT, ASK, key=THEIRS))).status for _ in range(5)]

    assert (late, said) == ([504] * 6, [200] * 5)
    assert probing.gateway.health.out() == probing.gateway.health.doubted() == []
    await engine.stop()


async def test_silence_within_a_stream_is_not_held_against_a_worker_that_is_there(
    probing: Running, world: World
) -> None:
    world.route(version=2, terms=replace(TERMS, idle_timeout_s=0.2))
    [engine] = await employ(world, [SSE_HEAD, chunk(delta("Pa")), ...], 1)
    body = {**BAD, "stream": True}

    broken = [(await probing.ask(request(CHAT, body, key=KEY))).body for _ in range(6)]
    heard = await probing.ask(request(THEIR_CHAT, ASK, key=THEIRS))

    assert all(b'"upstream_timeout"' in said for said in broken)
    assert heard.status == 200
    assert probing.gateway.health.out() == probing.gateway.health.doubted() == []
    await engine.stop()


async def test_worker_that_is_gone_is_out_soon_and_only_for_a_probe_to_let_in(
    probing: Running, hire: Hire
) -> None:
    worker = await hire([answer(completion())])
    assert (await probing.ask(request(CHAT, ASK, key=KEY))).status == 200
    port = int(worker.url.split(":")[2].removesuffix("/v1"))
    await worker.stop()

    first = await probing.ask(request(CHAT, ASK, key=KEY))
    await until(lambda: probing.gateway.health.out() == ["wrk_0"])
    second = await probing.ask(request(CHAT, ASK, key=KEY))
    await worker.start(port)
    await until(lambda: not probing.gateway.health.out())
    third = await probing.ask(request(CHAT, ASK, key=KEY))

    assert [heard.status for heard in (first, second, third)] == [502, 503, 200]
    await worker.stop()


async def test_errors_are_counted_by_worker_project_and_status(
    running: Running, hire: Hire
) -> None:
    await hire([answer(SAID, 500)], [answer(SAID, 500)], [answer(b"", 401)], [answer(b"", 200)])

    for _ in range(4):
        await running.ask(request(CHAT, ASK, key=KEY))
    shown = (await running.ask(request("/metrics", method="GET"))).body.decode()

    labels = f'project="{PROJECT}",worker="wrk_0"'
    assert f'xerotier_worker_errors_total{{kind="500",{labels}}} 2.0' in shown
    assert f'xerotier_worker_errors_total{{kind="401",{labels}}} 1.0' in shown
    assert "xerotier_workers_doubted 0.0" in shown
