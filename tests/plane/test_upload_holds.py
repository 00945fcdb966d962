"""What a large upload holds in Valkey: it grows with the bytes, and nothing of it stays behind."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from inference.body.room import SLICE_TOKENS
from inference.body.tokens import estimate_tokens
from inference.contracts.names import shard_tag
from inference.exchange.request import DECIDING
from tests.clock import own_time
from tests.plane.caller import Connection
from tests.plane.conftest import Hire, Running, departure, until
from tests.plane.test_black_holes import black_hole
from tests.plane.test_departures import BOUND_S, closes_its_half, resets
from tests.plane.test_uploads import BACK, FRONT, HEAD
from tests.plane.workers import answer, chunk, completion
from tests.plane.world import PROJECT, TERMS, World

pytestmark = pytest.mark.anyio

PAID = replace(TERMS, price_per_million=1_000_000, monthly_tokens=10**8)
PIECE = b"x" * 300_000
BALANCE = 10**8
TAG = shard_tag(PROJECT)
ACCOUNT = f"{TAG}:p:{PROJECT}"
COMPLETE = HEAD.replace(b"/chat/completions", b"/completions")
PAUSE_MS = 60_000
"""Longer than any test takes: whoever pauses Valkey ends the pause, too."""

Departure = Callable[[Connection], None]
LEAVES = pytest.mark.parametrize("leave", [resets, closes_its_half])


@pytest.fixture(autouse=True)
def paid(world: World) -> None:
    world.route(version=2, terms=PAID)
    world.top_up(BALANCE)


async def upload(running: Running) -> Connection:
    """Begin an upload that is too large to be held, and wait until a worker is asked."""
    caller = await running.connect()
    await caller.send(HEAD + chunk(FRONT + PIECE))
    await until(lambda: running.gateway.fleet.in_flight("wrk_0"))
    return caller


def kinds_of(held: dict[str, object]) -> set[str]:
    """Tell leases, markers, tokens and money apart."""
    return {name.split(":")[1] if " " not in name else name.split()[1] for name in held}


async def nothing_is_left(running: Running, world: World) -> None:
    """Look into Valkey and the books: whoever left is booked as gone and holds nothing."""
    await until(world.events)
    [event] = world.events()
    assert (event["ending"], event["status"]) == ("caller_left", 499)
    assert (event["tokens_in"], event["tokens_out"], event["cost"]) == (0, 0, 0)
    assert world.held() == {}
    assert world.valkey.ttl(f"{TAG}:r:{event['request_id']}") > 0
    assert world.valkey.hget(ACCOUNT, "spent") in (None, "0")
    assert not running.gateway.plane.running
    assert (len(running.gateway.admission.limiter), running.gateway.fleet.in_flight("wrk_0")) == (
        0,
        0,
    )


@LEAVES
async def test_caller_who_leaves_while_the_worker_takes_it(
    running: Running, hire: Hire, world: World, leave: Departure
) -> None:
    worker = await hire([answer(completion())])
    caller = await upload(running)
    await caller.send(chunk(PIECE))
    assert kinds_of(world.held()) == {"l", "r", "held", "ah:free"}

    leave(caller)

    await nothing_is_left(running, world)
    assert worker.asked == []


@LEAVES
async def test_caller_who_leaves_while_it_is_held_back(
    running: Running, world: World, leave: Departure
) -> None:
    async with slow_worker() as url:
        world.serve(url)
        caller = await upload(running)
        sending = asyncio.ensure_future(send_much(caller))
        await until(lambda: is_held_back(running), 10.0)

        leave(caller)
        await asyncio.gather(sending, return_exceptions=True)

        await nothing_is_left(running, world)


def is_held_back(running: Running) -> bool:
    """Say whether the worker has no room and we therefore don't read from the caller."""
    protocol: Any
    [protocol] = running.server.server_state.connections
    [exchange] = running.exchanges()
    upload = exchange._upload
    return upload is not None and upload.is_held_back and protocol.flow.read_paused


@asynccontextmanager
async def slow_worker() -> AsyncIterator[str]:
    """Run a worker that takes connections and reads nothing."""
    async with AsyncExitStack() as end:
        left = asyncio.Event()
        end.callback(left.set)
        server = await asyncio.start_server(
            lambda _, writer: _hold(left, writer), "127.0.0.1", 0, limit=1024
        )
        end.callback(server.close)
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


async def _hold(left: asyncio.Event, writer: asyncio.StreamWriter) -> None:
    await left.wait()
    writer.transport.abort()


async def send_much(caller: Connection) -> None:
    for _ in range(200):
        await caller.send(chunk(PIECE))


@LEAVES
async def test_caller_who_leaves_while_nobody_takes_the_connection(
    running: Running, world: World, leave: Departure
) -> None:
    async with black_hole() as url:
        world.serve(url)
        caller = await upload(running)

        leave(caller)

        await nothing_is_left(running, world)


@LEAVES
async def test_caller_who_leaves_before_the_first_byte_of_the_answer(
    running: Running, hire: Hire, world: World, leave: Departure
) -> None:
    worker = await hire([...])
    caller = await upload(running)
    await caller.send(chunk(BACK) + b"0\r\n\r\n")
    await asyncio.wait_for(worker.arrived.wait(), 3)

    leave(caller)

    await asyncio.wait_for(worker.asked[0].left.wait(), 3)
    await nothing_is_left(running, world)


@contextmanager
def decisions_wait(world: World) -> Iterator[None]:
    """Let Valkey answer reads only."""
    world.valkey.client_pause(PAUSE_MS, all=False)
    try:
        yield
    finally:
        world.valkey.client_unpause()


@LEAVES
async def test_caller_who_leaves_while_it_is_decided(
    running: Running, hire: Hire, world: World, leave: Departure
) -> None:
    worker = await hire([answer(completion())])
    plane = running.gateway.plane
    with decisions_wait(world):
        caller = await running.connect()
        await caller.send(HEAD + chunk(FRONT + PIECE))
        await until(lambda: [x.state for x in running.exchanges()] == [DECIDING])

        left_at = await departure(running, partial(leave, caller))
        await until(lambda: not plane.running)
        took_s = own_time() - left_at

    assert took_s < BOUND_S
    await nothing_is_left(running, world)
    assert worker.asked == []


def holds(world: World, least: int) -> bool:
    """Say whether so many tokens, and money for them, are put aside."""
    return all(int(world.valkey.hget(ACCOUNT, name) or 0) >= least for name in ("held", "ah:free"))


async def test_hold_grows_with_the_bytes(running: Running, hire: Hire, world: World) -> None:
    await hire([answer(completion(tokens_in=10, tokens_out=3))])
    caller = await upload(running)

    for pieces in range(1, 5):
        await until(partial(holds, world, estimate_tokens(pieces * len(PIECE))))
        await caller.send(chunk(PIECE))
    await caller.send(chunk(BACK) + b"0\r\n\r\n")
    heard = await caller.answer()

    assert heard.status == 200
    await until(world.events)
    assert world.events()[0]["cost"] == 13
    assert world.held() == {}


MANY = json.dumps(["a" * 300_000, "b", "c"]).encode()
ASKS_FOR_MANY = [
    pytest.param(b'"prompt":%b,"max_tokens":1000' % MANY, 3_000, id="prompts"),
    pytest.param(b'"n":2,"prompt":%b,"best_of":4,"max_tokens":1000' % MANY, 12_000, id="best of"),
    pytest.param(b'"prompt":%b,"max_tokens":1000,"stream":true' % MANY, 3 * 256, id="streamed"),
    pytest.param(b'"prompt":%b,"max_tokens":9,"stream":true' % MANY, 3 * 9, id="short"),
]


async def upload_twice(running: Running, body: bytes) -> Connection:
    """Upload a body whose last bytes come when the worker has the first."""
    caller = await running.connect()
    await caller.send(COMPLETE + chunk(body[:-20]))
    await until(lambda: running.gateway.fleet.in_flight("wrk_0"))
    await caller.send(chunk(body[-20:]) + b"0\r\n\r\n")
    return caller


@pytest.mark.parametrize(("members", "answers"), ASKS_FOR_MANY)
async def test_every_answer_that_a_large_body_asks_for_is_held_before_its_worker_begins(
    running: Running, hire: Hire, world: World, members: bytes, answers: int
) -> None:
    release = asyncio.Event()
    worker = await hire([release, answer(completion())])
    body = b'{"model":"m",%b}' % members

    caller = await upload_twice(running, body)
    await asyncio.wait_for(worker.arrived.wait(), 3)
    held = int(world.valkey.hget(ACCOUNT, "held") or 0)
    release.set()

    least = estimate_tokens(len(body)) + answers
    assert least <= held < least + 2 * SLICE_TOKENS
    assert (await caller.answer()).status == 200
    await until(world.events)
    assert world.held() == {}


async def test_list_of_prompts_beyond_what_its_project_has_never_reaches_a_worker(
    running: Running, hire: Hire, world: World
) -> None:
    worker = await hire([answer(completion())])
    body = b'{"model":"m","prompt":%b,"max_tokens":1000}' % MANY
    ceiling = estimate_tokens(len(body)) + 2_000  # Enough for one answer, and for two.
    world.valkey.fcall("xt1_budget", 1, TAG, f"p:{PROJECT}", str(ceiling), "1")

    heard = await (await upload_twice(running, body)).answer()

    assert (heard.status, heard.error["code"]) == (429, "budget_exceeded")
    assert worker.asked == []
    await until(world.events)
    assert world.events()[0]["cost"] == 0
    assert world.held() == {}


async def test_upload_beyond_what_its_project_has_is_ended_while_it_comes(
    running: Running, hire: Hire, world: World
) -> None:
    worker = await hire([answer(completion())])
    world.valkey.fcall("xt1_budget", 1, TAG, f"p:{PROJECT}", str(200_000), "1")
    caller = await upload(running)

    sending = asyncio.ensure_future(send_much(caller))
    heard = await caller.answer()
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)

    assert (heard.status, heard.error["code"]) == (429, "budget_exceeded")
    assert (heard.header("x-should-retry"), heard.complete) == ("false", True)
    assert worker.asked == []
    await until(world.events)
    [event] = world.events()
    assert (event["ending"], event["status"], event["cost"]) == ("refused", 429, 0)
    assert world.held() == {}
    assert running.gateway.health.out() == []
