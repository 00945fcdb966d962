"""A request that is over leaves nothing behind that only a search for cycles would free."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from inference.exchange.admission import Admission
from inference.exchange.attempts import Attempts
from inference.exchange.conclusion import Conclusion
from inference.exchange.cover import Cover
from inference.exchange.exchange import Exchange
from inference.exchange.gate_check import GateCheck
from inference.exchange.patience import Patience
from inference.exchange.relay import Relay
from inference.exchange.reply import Reply
from inference.exchange.upload import Upload
from tests.plane.caller import request
from tests.plane.conftest import Hire, Running, until
from tests.plane.workers import (
    DONE,
    Script,
    answer,
    completion,
    delta,
    stream,
    usage_event,
)
from tests.plane.world import ASK, CHAT, KEY, STREAM

pytestmark = pytest.mark.anyio
REQUESTS = 20
ARRIVING = {Exchange, GateCheck, Upload, Admission}
PARTS = ARRIVING | {Relay, Reply, Attempts, Cover, Conclusion, Patience}
LARGE = {**ASK, "messages": [{"role": "user", "content": "x" * 300_000}]}
WHOLE = [answer(completion())]
ENDINGS = [
    pytest.param(ASK, WHOLE, 200, id="a plain answer"),
    pytest.param(STREAM, stream(delta("Pa"), usage_event(), DONE), 200, id="a stream"),
    pytest.param(ASK, [answer(b'{"error":"no"}', 500)], 502, id="an error that is heard out"),
    pytest.param(ASK, [answer(b"")], 502, id="no answer"),
    pytest.param({**ASK, "n": "two"}, WHOLE, 400, id="a body that is refused"),
]


@pytest.fixture
def no_search() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def left_over() -> Counter[str]:
    return Counter(type(one).__name__ for one in gc.get_objects() if type(one) in PARTS)


@pytest.mark.parametrize(("body", "script", "status"), ENDINGS)
@pytest.mark.usefixtures("no_search")
async def test_ended_requests_are_freed_at_once_and_so_are_their_parts(
    running: Running, hire: Hire, body: dict[str, Any], script: Script, status: int
) -> None:
    for _ in range(2):
        await hire(*([script] * REQUESTS))
    connection = await running.connect()

    for _ in range(REQUESTS):
        await connection.send(request(CHAT, body, key=KEY))
        heard = await connection.answer()
        assert (heard.complete, heard.status) == (True, status)

    # The last one may still be held by the connection it came on.
    assert [name for name, count in left_over().items() if count > 1] == []


@pytest.mark.usefixtures("no_search")
async def test_uploads_that_went_up_in_pieces_are_freed_at_once(
    running: Running, hire: Hire
) -> None:
    await hire(*([WHOLE] * REQUESTS))

    for _ in range(3):
        heard = await running.ask(request(CHAT, LARGE, key=KEY))
        assert (heard.complete, heard.status) == (True, 200)

    for connection in running.connections:
        connection.reset()
    await until(lambda: not [name for name, count in left_over().items() if count > 1])


@pytest.mark.usefixtures("no_search")
async def test_requests_whose_callers_left_are_freed_at_once(running: Running, hire: Hire) -> None:
    worker = await hire(*([[...]] * 5))

    for _ in range(5):
        connection = await running.connect()
        await connection.send(request(CHAT, STREAM, key=KEY))
        await until(lambda: len(worker.asked) == len(running.connections))
        connection.reset()
        await until(lambda: not running.exchanges())

    await until(lambda: not [name for name, count in left_over().items() if count > 1])
