"""One caller that sends the same head again and again, and what must be noticed all the same."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

from tests.plane.caller import Connection, Heard, request
from tests.plane.conftest import Hire, Running
from tests.plane.workers import answer, completion
from tests.plane.world import ASK, CHAT, KEY, World

pytestmark = pytest.mark.anyio

SAME = request(CHAT, ASK, key=KEY)


def body_of(text: str) -> dict[str, Any]:
    return {"model": "any", "messages": [{"role": "user", "content": text}]}


async def known_caller(running: Running) -> Connection:
    """Return a caller whose head is known by now."""
    caller = await running.connect()
    for _ in range(3):
        assert (await ask(caller, SAME)).status == 200
    protocol: Any
    [protocol] = running.server.server_state.connections
    assert protocol.memory.is_of_use
    return caller


async def ask(caller: Connection, data: bytes) -> Heard:
    await caller.send(data)
    return await caller.answer()


async def status_after_change(caller: Connection) -> int:
    """Ask until something else than an answer comes; how soon it must is said in ``test_news``."""
    async with asyncio.timeout(5):
        while (heard := await ask(caller, SAME)).status == 200:
            pass
    return heard.status


async def test_each_request_has_its_own_body_and_id(running: Running, hire: Hire) -> None:
    worker = await hire([answer(completion())])
    caller = await known_caller(running)
    texts = ["x" * size for size in (0, 1, 100, 5000, 200_000)]

    heard = [await ask(caller, request(CHAT, body_of(text), key=KEY)) for text in texts]

    assert [one.status for one in heard] == [200] * len(texts)
    sent = [json.loads(asked.body)["messages"][0]["content"] for asked in worker.asked[3:]]
    assert sent == texts
    ids = {asked.header("x-request-id") for asked in worker.asked}
    assert len(ids) == len(worker.asked)


@pytest.mark.parametrize("cut", [1, 10, len(SAME) - len(json.dumps(ASK)), len(SAME) - 1])
async def test_known_head_may_come_in_pieces(running: Running, hire: Hire, cut: int) -> None:
    worker = await hire([answer(completion())])
    caller = await known_caller(running)

    await caller.send(SAME[:cut])
    await running.ask(request("/readyz", method="GET"))
    heard = await ask(caller, SAME[cut:])

    assert heard.status == 200
    assert worker.asked[3].body == worker.asked[0].body


async def test_other_head_may_come_in_pieces_where_one_is_known(
    running: Running, hire: Hire
) -> None:
    worker = await hire([answer(completion())])
    caller = await known_caller(running)
    other = request(CHAT, body_of("x" * 1000), key=KEY, headers={"X-Other": "1"})

    for at in range(0, len(other), 300):
        await caller.send(other[at : at + 300])
        await running.ask(request("/readyz", method="GET"))
    heard = await caller.answer()

    assert heard.status == 200
    assert json.loads(worker.asked[3].body) == body_of("x" * 1000)
    assert (await ask(caller, SAME)).status == 200


async def test_what_follows_a_known_request_is_the_next_one(running: Running, hire: Hire) -> None:
    worker = await hire([answer(completion())])
    caller = await known_caller(running)

    await caller.send(SAME + SAME + request("/nothing", method="GET") + SAME)

    assert [(await caller.answer()).status for _ in range(4)] == [200, 200, 404, 200]
    assert len(worker.asked) == 6


async def test_bytes_behind_a_known_request_that_are_no_request_end_the_connection(
    running: Running, hire: Hire
) -> None:
    worker = await hire([answer(completion())])
    caller = await known_caller(running)

    await caller.send(SAME + b"GARBAGE\x00\r\n\r\n")

    assert [(await caller.answer()).status for _ in range(2)] == [200, 400]
    assert await caller.reader.read() == b""
    assert len(worker.asked) == 4


async def test_revoked_key_is_refused_on_a_connection_that_knows_its_head(
    running: Running, hire: Hire, world: World
) -> None:
    await hire([answer(completion())])
    caller = await known_caller(running)

    world.grant(version=2, gone=True)

    assert await status_after_change(caller) == 401


async def test_key_that_expires_is_refused_on_a_connection_that_knows_its_head(
    running: Running, hire: Hire, world: World
) -> None:
    world.grant(version=2, expires_at=time.time() + 0.5)
    await hire([answer(completion())])
    caller = await known_caller(running)

    assert await status_after_change(caller) == 401


async def test_endpoint_that_is_paused_is_refused_on_a_connection_that_knows_its_head(
    running: Running, hire: Hire, world: World
) -> None:
    await hire([answer(completion())])
    caller = await known_caller(running)

    world.route(version=2, paused=True)

    assert await status_after_change(caller) == 503


async def test_new_worker_is_found_for_a_head_that_is_known(running: Running, hire: Hire) -> None:
    first = await hire([answer(completion())])
    caller = await known_caller(running)
    second = await hire([answer(completion())])

    async with asyncio.timeout(3):
        while not second.asked:
            assert (await ask(caller, SAME)).status == 200

    assert len(first.asked) >= 3


async def test_head_that_was_refused_is_not_remembered(
    running: Running, hire: Hire, world: World
) -> None:
    await hire([answer(completion())])
    world.grant(version=2, scopes=("management",))
    caller = await running.connect()

    statuses = [(await ask(caller, SAME)).status for _ in range(3)]

    assert statuses == [403] * 3
    protocol: Any
    [protocol] = running.server.server_state.connections
    assert not protocol.memory.is_of_use
