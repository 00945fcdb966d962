"""What a process does from SIGTERM to its end, seen from outside: in this order, and in time."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tests.clock import Stopwatch
from tests.plane.caller import Connection, Heard, request
from tests.plane.conftest import Hire
from tests.plane.test_news import answers, ask
from tests.plane.test_starting import Start
from tests.plane.workers import DONE, SSE_END, SSE_HEAD, Script, answer, chunk, completion, delta
from tests.plane.world import ASK, CHAT, KEY, STREAM, World

pytestmark = pytest.mark.anyio

DRAIN_S = 2
UNREADY_WITHIN_S = 0.5
LATE_S = 4.0
PATIENCE_S = 30.0
READY = request("/readyz", method="GET")
WORK = request(CHAT, ASK, key=KEY)

Serve = Callable[[int], Awaitable[Start]]


@pytest.fixture
async def serve(tmp_path: Path, world: World) -> AsyncIterator[Serve]:
    started: list[Start] = []

    async def begin(workers: int) -> Start:
        start = Start(tmp_path, workers=workers, drain_delay_s=DRAIN_S)
        started.append(start)
        await start.begin()
        await answers(start.port)
        return start

    yield begin
    for start in started:
        if start.process.returncode is None:
            await start.end()


async def begin_stream(port: int) -> tuple[Connection, Heard]:
    caller = await Connection.open(port)
    await caller.send(request(CHAT, STREAM, key=KEY))
    return caller, await caller.head()


async def until_the_door_is_closed(port: int, told_at: float) -> float:
    """Ask until nobody listens any more; return when that was. Until then everybody is answered."""
    told = Stopwatch()
    while True:
        asked_s = told.seconds()
        try:
            heard = await asyncio.wait_for(ask(port, WORK), PATIENCE_S)
        except ConnectionRefusedError:
            return time.monotonic()
        except (ConnectionError, asyncio.IncompleteReadError):
            # It came as the door was closed: nothing of it was read, and it may ask elsewhere.
            assert time.monotonic() - told_at > DRAIN_S
            continue
        assert asked_s < DRAIN_S + LATE_S
        if time.monotonic() - told_at < DRAIN_S:
            assert heard.status == 200
        if heard.status != 200:  # It came in the moment in which the door was being closed.
            assert (heard.status, heard.error["code"]) == (503, "service_unavailable")
        if asked_s > UNREADY_WITHIN_S:
            assert heard.header("connection") == "close"


async def answered(port: int, data: bytes, told_at: float) -> int:
    """Ask; return the answer's status, or 0 if the door could be closed by then."""
    try:
        status = (await asyncio.wait_for(ask(port, data), PATIENCE_S)).status
    except (OSError, asyncio.IncompleteReadError):
        status = 0
    is_over = time.monotonic() - told_at > DRAIN_S
    assert is_over or status
    return 0 if is_over else status


async def test_process_gets_unready_serves_on_then_closes_the_door_and_ends_with_its_streams(
    serve: Serve, hire: Hire, world: World
) -> None:
    more = asyncio.Event()
    running: Script = [SSE_HEAD + chunk(delta("Pa")), more, chunk(DONE), SSE_END]
    worker = await hire(running, [answer(completion())])
    start = await serve(1)
    kept = await Connection.open(start.port)
    await kept.send(READY)
    assert (await kept.answer()).status == 200
    caller, heard = await begin_stream(start.port)

    told_at, told = time.monotonic(), Stopwatch()
    start.process.send_signal(signal.SIGTERM)
    while (await ask(start.port, READY)).status == 200:
        assert told.seconds() < UNREADY_WITHIN_S
    await kept.send(WORK)
    served = await kept.answer()
    kept.reset()
    closed_at = await until_the_door_is_closed(start.port, told_at)
    assert start.process.returncode is None
    more.set()
    await caller.rest(heard)
    caller.reset()
    ending = await asyncio.wait_for(start.process.wait(), PATIENCE_S)

    assert (served.status, served.header("connection")) == (200, "close")
    assert closed_at - told_at > DRAIN_S
    assert (heard.body, heard.complete, ending) == (delta("Pa") + DONE, True, 0)
    assert len(worker.asked) > 1
    assert {event["ending"] for event in world.events()} == {"complete"}
    assert start.complaints() == []


async def test_nobody_is_refused_while_a_balancer_may_still_send(serve: Serve, hire: Hire) -> None:
    await hire([answer(completion())])
    start = await serve(1)

    told_at = time.monotonic()
    start.process.send_signal(signal.SIGTERM)
    said, ready = [], []
    while status := await answered(start.port, WORK, told_at):
        said.append(status)
        ready.append(await answered(start.port, READY, told_at))

    assert set(said) == {200}
    assert 503 in ready
    assert set(ready) <= {200, 503, 0}


async def test_callers_of_several_processes_are_not_kept_waiting_at_a_closed_door(
    serve: Serve, hire: Hire
) -> None:
    more = asyncio.Event()
    running: Script = [SSE_HEAD + chunk(delta("Pa")), more, chunk(DONE), SSE_END]
    await hire(running, [answer(completion())])
    start = await serve(2)
    caller, heard = await begin_stream(start.port)

    told_at = time.monotonic()
    start.process.send_signal(signal.SIGTERM)
    closed_at = await until_the_door_is_closed(start.port, told_at)
    assert start.process.returncode is None
    more.set()
    await caller.rest(heard)
    caller.reset()

    assert closed_at - told_at > DRAIN_S
    assert (heard.body, heard.complete) == (delta("Pa") + DONE, True)
    assert await asyncio.wait_for(start.process.wait(), PATIENCE_S) == 0
