"""Request bodies too large to hold: passed up as they come, and changed on the way."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from inference.contracts.names import shard_tag
from tests.clock import own_time
from tests.plane.caller import Connection, request
from tests.plane.conftest import Hire, Running, departure, until
from tests.plane.test_departures import BOUND_S
from tests.plane.workers import BREAK, DONE, answer, chunk, completion, delta, stream
from tests.plane.world import ASK, CHAT, KEY, PROJECT, TERMS, World

pytestmark = pytest.mark.anyio

WORDS = "x" * 600_000
HEAD = request(CHAT, key=KEY, headers={"Transfer-Encoding": "chunked"})
FRONT = b'{"model":"m","messages":[{"role":"user","content":"'
BACK = b'"}],"stream":true}'


def large(**fields: object) -> dict[str, object]:
    return {"model": "m", "messages": [{"role": "user", "content": WORDS}], **fields}


async def test_worker_has_the_beginning_before_the_caller_has_sent_the_end(
    running: Running, hire: Hire
) -> None:
    worker = await hire(stream(delta("ok"), DONE))
    caller = await running.connect()

    await caller.send(HEAD + chunk(FRONT + WORDS.encode()))
    await until(lambda: running.gateway.fleet.in_flight("wrk_0"))
    await caller.send(chunk(BACK) + b"0\r\n\r\n")
    heard = await caller.answer()

    assert heard.body == delta("ok") + DONE
    sent = json.loads(worker.asked[0].body)
    assert sent["stream_options"] == {"include_usage": True}
    assert sent["messages"][0]["content"] == WORDS
    assert worker.asked[0].header("transfer-encoding") == "chunked"


async def test_plain_large_request_passes_unchanged(running: Running, hire: Hire) -> None:
    worker = await hire([answer(completion())])
    sent = json.dumps(large()).encode()
    caller = await running.connect()

    await caller.send(request(CHAT, sent, key=KEY)[:-10])
    await asyncio.sleep(0.01)
    await caller.send(sent[-10:])
    heard = await caller.answer()

    assert (heard.status, heard.body) == (200, completion())
    assert worker.asked[0].body == sent


async def test_large_body_that_is_no_request_is_refused_and_taken_back(
    running: Running, hire: Hire, world: World
) -> None:
    worker = await hire([answer(completion())])
    caller = await running.connect()

    await caller.send(HEAD + chunk(FRONT + WORDS.encode()))
    await until(lambda: running.gateway.fleet.in_flight("wrk_0"))
    await caller.send(chunk(b'"}]}}') + b"0\r\n\r\n")
    heard = await caller.answer()

    assert (heard.status, heard.error["code"]) == (400, "json_parse_error")
    assert worker.asked == []
    await until(world.events)
    assert world.events()[0]["ending"] == "refused"
    assert running.gateway.fleet.in_flight("wrk_0") == 0


async def test_caller_that_leaves_in_the_middle_frees_the_worker(
    running: Running, hire: Hire, world: World
) -> None:
    await hire([answer(completion())])
    caller = await running.connect()
    await caller.send(HEAD + chunk(FRONT + WORDS.encode()))
    await until(lambda: running.gateway.fleet.in_flight("wrk_0"))

    left_at = await departure(running, caller.reset)
    await until(lambda: not running.gateway.fleet.in_flight("wrk_0"))

    assert own_time() - left_at < BOUND_S
    await until(world.events)
    assert world.events()[0]["ending"] == "caller_left"


async def test_large_request_is_not_tried_twice(running: Running, hire: Hire) -> None:
    workers = [await hire([BREAK]) for _ in range(2)]
    caller = await running.connect()

    await caller.send(HEAD + chunk(FRONT + WORDS.encode()))
    await until(lambda: sum(map(running.gateway.fleet.in_flight, ("wrk_0", "wrk_1"))))
    await caller.send(chunk(BACK) + b"0\r\n\r\n")
    heard = await caller.answer()

    assert (heard.status, heard.error["code"]) == (502, "upstream_error")
    assert sum(len(worker.asked) for worker in workers) == 1


async def test_worker_that_reads_slowly_slows_the_upload(running: Running, world: World) -> None:
    deaf = await asyncio.start_server(lambda _r, _w: asyncio.sleep(10), "127.0.0.1", 0, limit=1024)
    port = deaf.sockets[0].getsockname()[1]
    world.serve(f"http://127.0.0.1:{port}/v1")
    caller = await running.connect()

    await caller.send(HEAD + chunk(FRONT + b"x" * 300_000))
    sending = asyncio.ensure_future(_send_much(caller))
    await until(lambda: running.gateway.plane.running)
    [protocol] = running.server.server_state.connections
    await until(lambda: protocol.flow.read_paused, 10.0)  # type: ignore[union-attr] # why: it is ours

    assert not sending.done()
    sending.cancel()
    deaf.close()


async def _send_much(caller: Connection) -> None:
    for _ in range(200):
        await caller.send(chunk(b"x" * 100_000))


def with_credit(world: World, tokens: int) -> None:
    """Let a token cost one, and grant this many of them."""
    world.route(version=2, terms=replace(TERMS, price_per_million=1_000_000))
    world.top_up(tokens)


def account(world: World) -> dict[str, str]:
    raw: dict[str, str] = world.valkey.hgetall(f"{shard_tag(PROJECT)}:p:{PROJECT}")  # type: ignore[assignment] # why: redis types it as maybe awaitable
    return raw


async def test_upload_that_outgrows_the_balance_is_refused_before_the_worker_has_it_all(
    running: Running, hire: Hire, world: World
) -> None:
    with_credit(world, 100_000)
    worker = await hire(stream(delta("ok"), DONE))
    caller = await running.connect()

    await caller.send(HEAD + chunk(FRONT + b"x" * 300_000))
    await until(lambda: running.gateway.fleet.in_flight("wrk_0"))
    assert 75_000 < int(account(world)["held"]) < 76_000
    await caller.send(chunk(WORDS.encode()) + chunk(BACK) + b"0\r\n\r\n")
    heard = await caller.answer()

    assert (heard.status, heard.error["code"]) == (429, "insufficient_balance")
    assert worker.asked == []
    await until(world.events)
    [event] = world.events()
    assert (event["ending"], event["cost"]) == ("refused", 0)
    assert (account(world)["held"], account(world).get("spent", "0")) == ("0", "0")


@pytest.mark.parametrize(
    ("fields", "credit", "status"),
    [
        pytest.param({"max_tokens": 900}, 151_600, 200, id="paid for"),
        pytest.param({"max_tokens": 900}, 150_500, 429, id="a limit beyond the balance"),
        pytest.param({"max_tokens": 900, "n": 2}, 151_600, 429, id="two choices"),
        pytest.param({}, 153_000, 429, id="no limit said"),
        pytest.param({}, 154_600, 200, id="no limit said, and paid for"),
    ],
)
async def test_uploaded_request_for_a_whole_answer_holds_all_of_it_before_it_is_asked(
    running: Running, hire: Hire, world: World, fields: dict[str, int], credit: int, status: int
) -> None:
    with_credit(world, credit)
    worker = await hire([answer(completion())])
    body = json.dumps(large(**fields)).encode()
    caller = await running.connect()

    await caller.send(HEAD + chunk(body) + b"0\r\n\r\n")
    heard = await caller.answer()

    assert heard.status == status
    assert len(worker.asked) == (status == 200)
    await until(world.events)
    assert account(world)["held"] == "0"


async def test_connection_is_read_on_behind_an_upload_that_came_faster_than_it_was_read(
    running: Running, hire: Hire
) -> None:
    worker = await hire([answer(completion())])
    caller = await running.connect()
    upload = {**ASK, "user": "x" * 900_000}

    said = []
    for body in (upload, ASK, upload, upload, ASK):
        await caller.send(request(CHAT, body, key=KEY))
        said.append((await caller.answer()).status)

    assert said == [200] * 5
    assert len(worker.asked) == 5


@pytest.mark.parametrize("size", [100_000, 300_000, 600_000])
async def test_connection_serves_on_after_a_large_body(
    running: Running, hire: Hire, size: int
) -> None:
    await hire(*[[answer(completion())] for _ in range(3)])
    caller = await running.connect()
    asked = {"model": "m", "messages": [{"role": "user", "content": "x" * size}]}

    statuses = []
    for _ in range(3):
        await caller.send(request(CHAT, asked, key=KEY))
        statuses.append((await caller.answer()).status)

    assert statuses == [200] * 3
