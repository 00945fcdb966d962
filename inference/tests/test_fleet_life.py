"""Connections are opened, kept, given up and closed as promised; nothing is left behind."""

from __future__ import annotations

import asyncio

import pytest

from inference.contracts.entries import Worker
from inference.fleet.config import FleetConfig
from inference.fleet.http import HttpFleet
from inference.fleet.ports import WorkerFailed
from inference.http.lines import extra_lines
from inference.tests.asker import Asker
from inference.tests.fleets import LOOPS, PATH, ask, bearer, fetch, fleet, until
from inference.tests.upstream import Line, always, answer, chunked, upstream
from tests.clock import own_time

pytestmark = pytest.mark.anyio

CANCEL_BOUND_S = 0.05
PIECE = b"x" * 65536


@pytest.fixture(params=LOOPS, ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> object:
    return request.param


async def silent(line: Line) -> None:
    await line.request()
    await line.gone()


async def flood(line: Line) -> None:
    """Answer 256 MiB, as fast as they are taken."""
    await line.request()
    await line.say(chunked(end=b""))
    for _ in range(4096):
        await line.say(b"10000\r\n" + PIECE + b"\r\n")


@pytest.mark.parametrize("heard", [b"", b"data"], ids=["before the head", "mid-stream"])
async def test_abort_closes_the_worker_within_the_cancel_bound(heard: bytes) -> None:
    async def script(line: Line) -> None:
        await line.request()
        if heard:
            await line.say(chunked(heard, end=b""))
        await line.gone()

    with fleet() as client:
        async with upstream(script) as up:
            call, asker = ask(client, up)
            await until(lambda: bool(up.lines and up.lines[0].requests))
            await asker.heard(heard)
            told = list(asker.calls)

            left_at = own_time()
            call.abort()
            await until(up.lines[0].closed.is_set)
            took_s = own_time() - left_at

            assert took_s < CANCEL_BOUND_S
            assert asker.calls == told
            assert client.in_flight("w1") == 0
            await until(lambda: client.stats().open_connections == 0)


async def test_abort_while_connecting_leaves_nothing() -> None:
    with fleet() as client:
        async with upstream(silent) as up:
            call, asker = ask(client, up)
            call.abort()
            call.abort()

            await until(lambda: client.stats().open_connections == 0)
            assert asker.calls == []
            assert client.in_flight("w1") == 0
            assert not any(line.requests for line in up.lines)


@pytest.mark.parametrize("turns", range(8))
async def test_abort_in_any_turn_of_the_loop_leaves_nothing(turns: int) -> None:
    with fleet() as client:
        async with upstream(silent) as up:
            for _ in range(5):
                call, asker = ask(client, up)
                for _ in range(turns):
                    await asyncio.sleep(0)
                call.abort()
                assert asker.calls == []

            await until(lambda: client.stats().open_connections == 0)
            assert client.in_flight("w1") == 0


async def test_abort_from_within_a_push_is_the_last_push() -> None:
    class Fickle(Asker):
        def on_head(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
            super().on_head(status, headers)
            calls[0].abort()

    calls = []
    asker = Fickle()
    with fleet() as client:
        async with upstream(always(chunked(b"a"))) as up:
            calls.append(client.ask(up.worker(), PATH, b"", b"{}", asker))
            await until(lambda: asker.status == 200)
            await until(lambda: client.stats().open_connections == 0)

    assert asker.calls == ["head"]


async def test_paused_answer_stops_the_worker_and_resumes_whole() -> None:
    with fleet() as client:
        async with upstream(flood) as up:
            call, asker = ask(client, up)
            await asker.heard(b"x")
            call.pause()
            seen = -1
            while seen != len(asker.pieces):  # the reads under way
                seen = len(asker.pieces)
                await asyncio.sleep(0.05)

            held = up.lines[0].writer.transport.get_write_buffer_size()
            assert held > 0  # the worker is stuck with what it has
            assert seen <= 40
            assert not asker.ended

            call.resume()
            await until(lambda: len(asker.pieces) > seen + 10)
            call.abort()


async def test_pause_before_the_connection_is_up_holds_too() -> None:
    with fleet() as client:
        async with upstream(always(answer(b"ok"))) as up:
            call, asker = ask(client, up)
            call.pause()
            await until(lambda: bool(up.lines and up.lines[0].requests))
            await asyncio.sleep(0.02)
            assert asker.calls == []

            call.resume()
            await asker.finished()

    assert asker.body == b"ok"


async def test_connection_released_while_paused_serves_the_next() -> None:
    class Slow(Asker):
        def on_data(self, data: bytes) -> None:
            super().on_data(data)
            calls[0].pause()

    calls = []
    asker = Slow()
    with fleet() as client:
        async with upstream(always(answer(b"ok"))) as up:
            calls.append(client.ask(up.worker(), PATH, b"", b"{}", asker))
            await asker.finished()

            assert (await fetch(client, up)).body == b"ok"
            assert len(up.lines) == 1


async def test_idle_connections_are_reaped_and_more_than_agreed_are_not_kept() -> None:
    config = FleetConfig(idle_reap_s=0.1, max_idle_per_worker=2)
    with fleet(config) as client:
        async with upstream(always(answer(b"ok"))) as up:
            askers = [ask(client, up)[1] for _ in range(5)]
            for asker in askers:
                await asker.finished()

            assert len(up.lines) == 5
            assert client.stats().idle_connections <= 2

            await until(lambda: client.stats().open_connections == 0)
            assert (await fetch(client, up)).ended


async def test_streamed_body_takes_the_room_of_a_warm_connection() -> None:
    with fleet(FleetConfig(max_connections_per_worker=1)) as client:
        async with upstream(always(answer(b"ok"))) as up:
            await fetch(client, up)
            call, asker = ask(client, up, body=None)
            call.end()
            await asker.finished()

    assert asker.ended
    assert len(up.lines) == 2


@pytest.mark.parametrize(
    "url",
    ["ftp://127.0.0.1/v1", "http:///v1", "http://a:b@127.0.0.1/v1", "http://127.0.0.1/v 1",
     "http://127.0.0.1:99999/v1", "nonsense"],
)  # fmt: skip
async def test_worker_with_a_bad_address_fails_like_any_other(url: str) -> None:
    asker = Asker()
    with fleet() as client:
        client.ask(Worker("w1", url, "m", ()), PATH, b"", b"{}", asker)
        assert asker.calls == []

        await asker.finished()

    assert asker.failure is not None
    assert asker.failure.reason == "connect"


async def test_credential_that_cannot_be_opened_fails_and_sends_nothing() -> None:
    def locked(worker: Worker) -> bytes:
        raise WorkerFailed("connect", "no key")

    client = HttpFleet(locked)
    async with upstream(silent) as up:
        _, asker = ask(client, up)
        await asker.finished()

        assert asker.failure is not None
        assert up.lines == []
    client.close()


async def test_refused_connection_fails_as_connect() -> None:
    with fleet() as client:
        async with upstream(silent) as up:
            pass
        asker = await fetch(client, up)

    assert asker.failure is not None
    assert asker.failure.reason == "connect"


async def test_new_credential_is_used_from_the_next_request_on() -> None:
    with fleet() as client:
        async with upstream(always(answer(b"ok"))) as up:
            for key in ("old", "new"):
                asker = Asker()
                client.ask(up.worker(credential=key), PATH, b"", b"{}", asker)
                await asker.finished()

            sent = up.lines[0].requests
            assert [b"Bearer old" in sent[0], b"Bearer new" in sent[1]] == [True, True]
            assert b"Bearer old" not in sent[1]


async def test_asker_cannot_say_what_is_ours_to_say() -> None:
    ours = [(b"authorization", b"Bearer stolen"), (b"host", b"evil"), (b"content-length", b"9")]
    ours += [(b"transfer-encoding", b"chunked"), (b"cookie", b"a=b"), (b"te", b"trailers")]
    with fleet() as client:
        async with upstream(always(answer(b"ok"))) as up:
            _, asker = ask(client, up, headers=[*ours, (b"x-slo-ttft-ms", b"200")])
            await asker.finished()
            head = up.lines[0].requests[0].lower()

    assert b"x-slo-ttft-ms: 200\r\n" in head
    for secret in (b"stolen", b"evil", b"cookie", b"chunked", b"trailers"):
        assert secret not in head
    assert head.count(b"content-length") == 1


async def test_header_with_a_line_end_is_no_line() -> None:
    with pytest.raises(ValueError, match="line end"):
        extra_lines([(b"x", b"a\r\nAuthorization: b"), (b"host", b"")])


async def test_drain_waits_for_what_runs_then_closes() -> None:
    go = asyncio.Event()

    async def script(line: Line) -> None:
        await line.request()
        await go.wait()
        await line.say(answer(b"ok"))
        await line.gone()

    client = HttpFleet(bearer)
    async with upstream(script) as up:
        _, asker = ask(client, up)
        assert not await client.drain(0.05)
        assert asker.calls == []

        go.set()
        assert await client.drain(5)
        assert asker.ended
        await until(up.lines[0].closed.is_set)

    late = await fetch(client, up)
    assert str(late.failure) == "connect: the fleet is closed"


async def test_close_fails_what_is_in_flight_and_what_is_connecting() -> None:
    client = HttpFleet(bearer)
    async with upstream(silent) as up:
        _, running = ask(client, up)
        await until(lambda: bool(up.lines and up.lines[0].requests))
        _, connecting = ask(client, up)
        client.close()

        await running.finished()
        await connecting.finished()
        assert running.calls == connecting.calls == ["fail"]
        await until(lambda: client.stats().open_connections == 0)
        assert client.in_flight("w1") == 0
