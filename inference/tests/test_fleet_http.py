"""The upstream client over real sockets: what goes out, what comes back, what is reused."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from inference.contracts.entries import Worker
from inference.fleet.fleet import Fleet
from inference.fleet.http.client import HttpTransport
from inference.fleet.http.config import HttpConfig
from inference.tests.asker import Asker
from inference.tests.upstream import Line, always, answer, chunked, upstream

pytestmark = pytest.mark.anyio

PATH = "/chat/completions"


def bearer(worker: Worker) -> bytes:
    return worker.credential.encode()


@pytest.fixture
async def fleet() -> AsyncIterator[Fleet]:
    fleet = Fleet([HttpTransport(bearer)])
    yield fleet
    fleet.close()


async def test_request_arrives_as_said_and_answer_comes_back_whole(fleet: Fleet) -> None:
    asker = Asker()
    async with upstream(always(answer(b"{}", extra=b"Content-Type: application/json\r\n"))) as up:
        worker = up.worker(credential="sk-1")
        fleet.ask(worker, PATH, b"content-type: application/json\r\n", b"{1}", asker)
        assert asker.calls == []

        await asker.finished()

    assert asker.calls == ["head", "data", "end"]
    assert (asker.status, asker.body) == (200, b"{}")
    assert asker.headers == [(b"content-type", b"application/json"), (b"content-length", b"2")]
    port = up.url.split(":")[2].removesuffix("/v1").encode()
    assert up.lines[0].requests == [
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:" + port + b"\r\n"
        b"Accept-Encoding: identity\r\nAuthorization: Bearer sk-1\r\n"
        b"content-type: application/json\r\nContent-Length: 3\r\n\r\n{1}"
    ]
    assert fleet.in_flight("w1") == 0


async def test_connection_is_reused_for_the_next_request(fleet: Fleet) -> None:
    async with upstream(always(answer(b"one"))) as up:
        for _ in range(3):
            asker = Asker()
            fleet.ask(up.worker(), PATH, b"", b"{}", asker)
            await asker.finished()
            assert asker.ended

    assert len(up.lines) == 1
    assert len(up.lines[0].requests) == 3


async def test_request_lost_to_a_closing_connection_is_sent_once_more(fleet: Fleet) -> None:
    async def script(line: Line) -> None:
        await line.request()
        await line.say(answer(b"ok"))
        if line.number == 0:
            await line.request()  # and close without a byte

    async with upstream(script) as up:
        first, second = Asker(), Asker()
        fleet.ask(up.worker(), PATH, b"", b"1", first)
        await first.finished()
        fleet.ask(up.worker(), PATH, b"", b"2", second)
        await second.finished()

    assert second.calls == ["head", "data", "end"]
    assert [len(line.requests) for line in up.lines] == [2, 1]
    assert fleet.stats().workers["w1"].retried == 1


async def test_pieces_of_one_read_arrive_as_one(fleet: Fleet) -> None:
    asker = Asker()
    async with upstream(always(chunked(b"a", b"b", b"c"))) as up:
        fleet.ask(up.worker(), PATH, b"", b"{}", asker)
        await asker.finished()

    assert asker.pieces == [b"abc"]


async def test_full_pool_refuses_at_once_and_opens_nothing() -> None:
    async def silent(line: Line) -> None:
        await line.request()
        await line.gone()

    fleet = Fleet([HttpTransport(bearer, HttpConfig(max_connections_per_worker=1))])
    async with upstream(silent) as up:
        held, refused = Asker(), Asker()
        call = fleet.ask(up.worker(), PATH, b"", b"{}", held)
        fleet.ask(up.worker(), PATH, b"", b"{}", refused)
        await refused.finished()
        call.abort()

        assert refused.failure is not None
        assert str(refused.failure) == "connect: pool full"
        assert len(up.lines) <= 1
        assert held.calls == []
    fleet.close()
