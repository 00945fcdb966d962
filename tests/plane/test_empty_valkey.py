"""A Valkey that lost everything: nobody is mistaken for a stranger until all is back."""

from __future__ import annotations

import pytest

from inference.contracts.keys import digest_of
from inference.contracts.names import grant_key
from tests.plane.caller import request
from tests.plane.conftest import Hire, Running, until
from tests.plane.workers import answer, completion
from tests.plane.world import ASK, CHAT, KEY, OLD_PEPPER, World, make_key

pytestmark = pytest.mark.anyio

STRANGER = make_key(7)
STRANGER_NAME = grant_key(digest_of(STRANGER.encode(), OLD_PEPPER))


async def code(running: Running, key: str) -> tuple[int, str]:
    heard = await running.ask(request(CHAT, ASK, key=key))
    return heard.status, "" if heard.status == 200 else heard.error["code"]


async def test_good_key_is_no_stranger_while_everything_is_restored(
    running: Running, hire: Hire, world: World
) -> None:
    await hire([answer(completion())])
    limiter = running.gateway.admission.limiter
    await until(lambda: limiter.is_restored)
    assert await code(running, STRANGER) == (401, "invalid_api_key")

    world.valkey.flushdb()
    await until(lambda: not limiter.is_restored)
    # Nobody has asked with this key before, so it has to be looked up.
    assert await code(running, KEY) == (503, "service_unavailable")
    assert await code(running, STRANGER) == (503, "service_unavailable")
    world.grant(version=2)
    world.route(version=2)
    await hire([answer(completion())])
    world.open_shards()
    await until(lambda: limiter.is_restored)

    assert await code(running, KEY) == (200, "")
    assert await code(running, STRANGER) == (401, "invalid_api_key")


async def test_good_key_is_no_stranger_in_the_moment_everything_is_lost(
    running: Running, hire: Hire, world: World
) -> None:
    await hire([answer(completion())])
    limiter = running.gateway.admission.limiter
    await until(lambda: limiter.is_restored)
    assert await code(running, STRANGER) == (401, "invalid_api_key")
    await until(lambda: not running.gateway.tables.is_absent(STRANGER_NAME))

    # The connection stays, so nothing tells us: it has to be seen in the same read.
    world.valkey.flushdb()
    said = [await code(running, key) for key in (KEY, STRANGER, make_key(8))]

    assert said == [(503, "service_unavailable")] * 3
