"""Connections to URLs are opened, kept, given up and reaped as promised.

What every transport keeps to is in ``test_fleet_life``.
"""

from __future__ import annotations

import pytest

from inference.contracts.entries import Worker
from inference.fleet.fleet import Fleet
from inference.fleet.http.client import HttpTransport
from inference.fleet.http.config import HttpConfig
from inference.fleet.ports import WorkerFailed
from inference.http.lines import extra_lines
from inference.tests.asker import Asker
from inference.tests.fleets import LOOPS, PATH, ask, fetch, fleet, until
from inference.tests.upstream import Line, always, answer, upstream

pytestmark = pytest.mark.anyio

CANCEL_BOUND_S = 0.05
PIECE = b"x" * 65536


@pytest.fixture(params=LOOPS, ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> object:
    return request.param


async def silent(line: Line) -> None:
    await line.request()
    await line.gone()


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
    config = HttpConfig(idle_reap_s=0.1, max_idle_per_worker=2)
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
    with fleet(HttpConfig(max_connections_per_worker=1)) as client:
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

    client = Fleet([HttpTransport(locked)])
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


async def test_probe_asks_for_the_models_with_the_credential_of_now() -> None:
    with fleet() as client:
        async with upstream(always(answer(b"ok"))) as up:
            for key in ("old", "new"):
                asker = Asker()
                client.probe(up.worker(credential=key), asker)
                await asker.finished()

            sent = up.lines[0].requests
            assert [head.split(b"\r\n")[0] for head in sent] == [b"GET /v1/models HTTP/1.1"] * 2
            assert [b"Bearer old" in sent[0], b"Bearer new" in sent[1]] == [True, True]


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
