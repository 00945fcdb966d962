"""A Valkey that lost everything: nobody is mistaken for a stranger until all is back."""

from __future__ import annotations

import pytest

from tests.plane.caller import request
from tests.plane.conftest import Hire, Running, until
from tests.plane.workers import answer, completion
from tests.plane.world import ASK, CHAT, KEY, World, make_key

pytestmark = pytest.mark.anyio

STRANGER = make_key(7)


async def code(running: Running, key: str) -> tuple[int, str]:
    heard = await running.ask(request(CHAT, ASK, key=key))
    return heard.status, "" if heard.status == 200 else heard.error["code"]


async def test_good_key_is_no_stranger_while_everything_is_restored(
    running: Running, hire: Hire, world: World
) -> None:
    await hire([answer(completion())])
    limiter = running.gateway.desk.limiter
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
