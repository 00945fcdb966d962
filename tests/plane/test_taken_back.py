"""What runs ends soon after what let it in is taken back, and is metered as given."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.plane.caller import request
from tests.plane.conftest import Hire, Running, until
from tests.plane.workers import SSE_HEAD, answer, chunk, delta
from tests.plane.world import ASK, CHAT, KEY, STREAM, TERMS, World

pytestmark = pytest.mark.anyio

LONG = replace(TERMS, request_timeout_s=60.0, idle_timeout_s=60.0)
BEGUN = SSE_HEAD + chunk(delta("Pa"))
ENDED = [
    pytest.param(lambda w: w.grant(version=2, gone=True), "invalid_api_key", id="revoked"),
    pytest.param(lambda w: w.grant(version=2, expires_at=1.0), "invalid_api_key", id="expired now"),
    pytest.param(lambda w: w.grant(version=2, scopes=()), "scope_insufficient", id="scope taken"),
    pytest.param(
        lambda w: w.grant(version=2, ip_block=("127.0.0.0/8",)), "ip_not_allowed", id="address"
    ),
    pytest.param(lambda w: w.route(version=9, gone=True), "endpoint_not_found", id="retired"),
]


@pytest.mark.parametrize(("take_back", "code"), ENDED)
async def test_running_stream_ends_with_an_error_it_can_read(
    running: Running, hire: Hire, world: World, take_back: Callable[[World], None], code: str
) -> None:
    world.route(version=2, terms=LONG)
    worker = await hire([BEGUN, ...])
    caller = await running.connect()
    await caller.send(request(CHAT, STREAM, key=KEY))
    heard = await caller.head()
    await caller.piece(heard)

    take_back(world)
    await caller.rest(heard)

    error = json.loads(heard.body.decode().split("\n\n")[-2].removeprefix("data: "))["error"]
    assert (error["type"], error["code"], heard.complete) == ("stream_error", code, True)
    await until(worker.asked[0].left.is_set)
    await until(world.events)
    [event] = world.events()
    assert (event["ending"], event["source"], event["tokens_out"]) == ("refused", "estimated", 1)


@pytest.mark.parametrize("script", [[...], [answer(b"x" * 9000)[:-5000], 0.1, b"x", ...]])
async def test_plain_answer_is_ended_too(
    running: Running, hire: Hire, world: World, script: list[Any]
) -> None:
    world.route(version=2, terms=LONG)
    worker = await hire(script)
    caller = await running.connect()
    await caller.send(request(CHAT, ASK, key=KEY))
    await until(lambda: worker.asked)

    world.grant(version=2, gone=True)
    heard = await caller.answer()

    is_begun = len(script) > 1
    assert (heard.status, heard.complete) == ((200, False) if is_begun else (401, True))
    await until(worker.asked[0].left.is_set)


async def test_what_was_not_taken_back_goes_on(running: Running, hire: Hire, world: World) -> None:
    world.route(version=2, terms=LONG)
    world.grant(version=1, expires_at=running.gateway.plane.clock() + 0.5)
    worker = await hire([BEGUN, ...])
    caller = await running.connect()
    await caller.send(request(CHAT, STREAM, key=KEY))
    await caller.head()

    world.route(version=3, terms=LONG, paused=True)
    world.grant(version=2, expires_at=None, quota_requests=1, quota_window_s=60)
    running.gateway.tables.deafen()
    recheck = running.gateway.recheck
    await until(lambda: not (recheck._changed or recheck._is_unsure))

    assert len(running.gateway.plane.running) == 1
    assert not worker.asked[0].left.is_set()
