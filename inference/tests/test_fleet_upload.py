"""Bodies on their way up: framed, slowed by a slow worker, and never sent twice by mistake."""

from __future__ import annotations

import asyncio

import pytest

from inference.fleet.http.config import HttpConfig
from inference.tests.fleets import LOOPS, ask, fetch, fleet, until
from inference.tests.upstream import Line, always, answer, upstream

pytestmark = pytest.mark.anyio

PIECE = b"y" * 65536


@pytest.fixture(params=LOOPS, ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> object:
    return request.param


async def test_streamed_body_goes_up_chunked_on_a_fresh_connection() -> None:
    with fleet() as client:
        async with upstream(always(answer(b"ok"))) as up:
            await fetch(client, up)
            call, asker = ask(client, up, body=None)
            assert not call.write(b"first")  # not connected yet: wait
            async with asyncio.timeout(5):
                await asker.drained.wait()
            assert call.write(b"second")
            assert call.write(b"")
            call.end()
            call.end()
            await asker.finished()

    head, _, body = up.lines[1].requests[0].partition(b"\r\n\r\n")
    assert body == b"5\r\nfirst\r\n6\r\nsecond\r\n0\r\n\r\n"
    assert b"Transfer-Encoding: chunked" in head
    assert b"Content-Length" not in head
    assert asker.ended


async def test_slow_worker_slows_the_upload() -> None:
    go = asyncio.Event()

    async def script(line: Line) -> None:
        await go.wait()
        await line.request()
        await line.say(answer(b"ok"))

    with fleet() as client:
        async with upstream(script) as up:
            call, asker = ask(client, up, body=None)
            pieces = 1
            more = call.write(PIECE)
            async with asyncio.timeout(5):
                await asker.drained.wait()
                more = True
                while more:
                    more = call.write(PIECE)
                    pieces += 1
                    await asyncio.sleep(0)
            assert pieces < 200  # kernel buffers and 64 KiB of ours, not the whole upload

            asker.drained.clear()
            go.set()
            async with asyncio.timeout(5):
                await asker.drained.wait()
            call.end()
            await asker.finished()

    assert len(up.lines[0].requests[0]) > pieces * len(PIECE)


async def test_answer_before_the_upload_ended_is_whole_but_the_connection_is_spent() -> None:
    async def script(line: Line) -> None:
        await line.reader.readuntil(b"\r\n\r\n")
        await line.say(answer(b"too large", status=b"413 Content Too Large"))
        await line.gone()

    with fleet() as client:
        async with upstream(script) as up:
            call, asker = ask(client, up, body=None)
            call.write(b"some")
            await asker.finished()

            assert (asker.status, asker.body, asker.ended) == (413, b"too large", True)
            assert call.write(PIECE)
            call.end()
            await until(up.lines[0].closed.is_set)
            assert client.stats().idle_connections == 0


async def test_large_whole_body_arrives_exactly() -> None:
    body = bytes(range(256)) * 1024
    with fleet() as client:
        async with upstream(always(answer(b"ok"))) as up:
            await fetch(client, up, body)
            sent = up.lines[0].requests[0]

    assert sent.endswith(b"Content-Length: 262144\r\n\r\n" + body)


async def close_after_one(line: Line) -> None:
    if line.number == 0:
        await line.request()
        await line.say(answer(b"ok"))
    await line.request()  # and close without a byte


async def test_race_is_run_again_once_and_then_told() -> None:
    with fleet() as client:
        async with upstream(close_after_one) as up:
            await fetch(client, up)
            second = await fetch(client, up)

    assert str(second.failure) == "reset: closed without an answer"
    assert [len(line.requests) for line in up.lines] == [2, 1]


async def test_fresh_connection_that_breaks_is_no_race() -> None:
    async def script(line: Line) -> None:
        await line.request()

    with fleet() as client:
        async with upstream(script) as up:
            asker = await fetch(client, up)

    assert str(asker.failure) == "reset: closed without an answer"
    assert len(up.lines) == 1


async def test_worker_that_dies_at_work_is_not_asked_again_behind_the_routers_back() -> None:
    async def script(line: Line) -> None:
        await line.request()
        await line.say(answer(b"ok"))
        await line.request()
        await late.wait()

    late = asyncio.Event()
    with fleet(HttpConfig(race_window_s=0.05)) as client:
        async with upstream(script) as up:
            await fetch(client, up)
            _, asker = ask(client, up)
            await asyncio.sleep(0.1)
            late.set()
            await asker.finished()

    assert str(asker.failure) == "reset: closed without an answer"
    assert len(up.lines) == 1


async def test_broken_answer_is_never_run_again() -> None:
    async def script(line: Line) -> None:
        await line.request()
        await line.say(answer(b"ok"))
        await line.request()
        await line.say(b"HTTP/1.1 2")

    with fleet() as client:
        async with upstream(script) as up:
            await fetch(client, up)
            asker = await fetch(client, up)

    assert str(asker.failure) == "reset: closed within the head"
    assert len(up.lines) == 1
