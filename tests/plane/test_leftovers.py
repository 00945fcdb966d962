"""A request that is over leaves nothing behind that only a search for cycles would free."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from inference.exchange.exchange import Exchange
from tests.plane.caller import request
from tests.plane.conftest import Hire, Running
from tests.plane.workers import DONE, answer, completion, delta, stream, usage_event
from tests.plane.world import ASK, CHAT, KEY, STREAM

pytestmark = pytest.mark.anyio
REQUESTS = 20


@pytest.fixture
def no_search() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def exchanges() -> int:
    return sum(type(thing) is Exchange for thing in gc.get_objects())


@pytest.mark.parametrize("is_streamed", [False, True])
@pytest.mark.usefixtures("no_search")
async def test_ended_requests_are_freed_at_once(
    running: Running, hire: Hire, is_streamed: bool
) -> None:
    said = stream(delta("Pa"), usage_event(), DONE) if is_streamed else [answer(completion())]
    await hire(*([said] * REQUESTS))
    connection = await running.connect()

    for _ in range(REQUESTS):
        await connection.send(request(CHAT, STREAM if is_streamed else ASK, key=KEY))
        assert (await connection.answer()).complete

    # The last one may still be held by the connection it came on.
    assert exchanges() <= 1
