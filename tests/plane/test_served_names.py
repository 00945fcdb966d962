"""A worker that knows its model by another name is asked for it by that name, and no other."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from inference.contracts.entries import Pool, Worker
from inference.contracts.names import pool_key
from inference.contracts.operations import OPERATIONS
from tests.plane.caller import request
from tests.plane.conftest import Hire, Running
from tests.plane.workers import BREAK, DONE, answer, chunk, completion, delta, stream
from tests.plane.world import CHAT, KEY, World

pytestmark = pytest.mark.anyio

REAL = 'Org/Real-Name "7B" é'
WRITTEN = json.dumps(REAL, ensure_ascii=False).encode()
LARGE = b"x" * 400_000


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"model": "any", "messages":[], "x":1.50}', id="usual"),
        pytest.param(
            b'{ "messages":[{"model":"no"}],\n"model" :"m" , "\\u0061":1}', id="carefully"
        ),
        pytest.param(b'{"mod\\u0065l":"any","metadata":{"model":"no"}}', id="escaped"),
    ],
)
async def test_only_the_name_is_replaced(
    running: Running, hire: Hire, world: World, body: bytes
) -> None:
    worker = await hire([answer(completion())], served_name=REAL)

    heard = await running.ask(request(CHAT, body, key=KEY))

    assert heard.status == 200
    expected = {b'"any"', b'"m"'}
    assert worker.asked[0].body in {body.replace(name, WRITTEN, 1) for name in expected}
    assert json.loads(worker.asked[0].body)["model"] == REAL


async def test_without_a_name_of_its_own_it_gets_the_callers(running: Running, hire: Hire) -> None:
    worker = await hire([answer(completion())])
    body = b'{"model": "any", "messages":[]}'

    await running.ask(request(CHAT, body, key=KEY))

    assert worker.asked[0].body == body


async def test_stream_is_asked_for_usage_by_the_workers_name(running: Running, hire: Hire) -> None:
    worker = await hire(stream(delta("ok"), DONE), served_name=REAL)

    await running.ask(request(CHAT, b'{"model":"any","messages":[],"stream":true}', key=KEY))

    assert worker.asked[0].body == (
        b'{"model":%b,"messages":[],"stream":true,"stream_options":{"include_usage":true}}'
        % WRITTEN
    )


async def test_another_worker_is_asked_by_its_own_name(
    running: Running, hire: Hire, world: World
) -> None:
    first, second = await hire([BREAK]), await hire([answer(completion())])
    one = Worker("wrk_0", first.url, "small", tuple(OPERATIONS), served_name="first/name")
    two = replace(one, worker_id="wrk_1", url=second.url, served_name="second/name")
    world._put(pool_key("shared/small"), Pool(9, "shared/small", (one, two)))
    body = b'{"model":"any","messages":[]}'

    for _ in range(4):
        assert (await running.ask(request(CHAT, body, key=KEY))).status == 200

    assert {json.loads(asked.body)["model"] for asked in first.asked} <= {"first/name"}
    assert {json.loads(asked.body)["model"] for asked in second.asked} == {"second/name"}


@pytest.mark.parametrize("place", ["first", "last"])
async def test_name_is_replaced_in_what_passes_through(
    running: Running, hire: Hire, place: str
) -> None:
    worker = await hire([answer(completion())], served_name=REAL)
    caller = await running.connect()
    front, back = (b'"model" : "any" ,', b"") if place == "first" else (b"", b',"model" : "any" ')
    body = b'{%b"messages":["%b"],"x":{"model":"no"}%b}' % (front, LARGE, back)

    await caller.send(request(CHAT, key=KEY, headers={"Transfer-Encoding": "chunked"}))
    for at in range(0, len(body), 150_001):
        await caller.send(chunk(body[at : at + 150_001]))
    await caller.send(b"0\r\n\r\n")
    heard = await caller.answer()

    assert heard.status == 200
    sent = json.loads(worker.asked[0].body)
    assert sent == {**json.loads(body), "model": REAL}
    assert len(worker.asked[0].body) - len(body) <= len(WRITTEN)
