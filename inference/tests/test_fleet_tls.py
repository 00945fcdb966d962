"""A worker behind TLS is who it says it is, or it is not asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from inference.fleet.http.config import HttpConfig
from inference.tests.certificates import Authority, authority
from inference.tests.fleets import LOOPS, ask, fetch, fleet, until
from inference.tests.upstream import Line, always, answer, chunked, upstream

pytestmark = pytest.mark.anyio


@pytest.fixture(params=LOOPS, ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> object:
    return request.param


@pytest.fixture
def ours(tmp_path: Path) -> Authority:
    return authority(tmp_path)


async def test_worker_with_a_good_certificate_is_asked_and_reused(ours: Authority) -> None:
    with fleet(HttpConfig(tls=ours.trust())) as client:
        async with upstream(
            always(chunked(b"over", b" tls")), tls=ours.server("localhost"), host="localhost"
        ) as up:
            bodies = [(await fetch(client, up)).body for _ in range(2)]

    assert bodies == [b"over tls", b"over tls"]
    assert len(up.lines) == 1
    assert b"\r\nHost: localhost:" in up.lines[0].requests[0]


@pytest.mark.parametrize("name", ["elsewhere.example", "127.0.0.2"])
async def test_certificate_for_another_name_is_refused_and_nothing_said(
    ours: Authority, name: str
) -> None:
    with fleet(HttpConfig(tls=ours.trust())) as client:
        async with upstream(always(answer(b"x")), tls=ours.server(name), host="localhost") as up:
            asker = await fetch(client, up)

    assert asker.failure is not None
    assert asker.failure.reason == "connect"
    assert not any(line.requests for line in up.lines)


async def test_unknown_authority_is_refused_by_default(ours: Authority) -> None:
    with fleet() as client:
        async with upstream(
            always(answer(b"x")), tls=ours.server("localhost"), host="localhost"
        ) as up:
            asker = await fetch(client, up)

    assert asker.failure is not None
    assert "certificate verify failed" in str(asker.failure).lower()
    assert not any(line.requests for line in up.lines)


async def test_plain_answer_to_a_tls_request_is_refused() -> None:
    async def plain(line: Line) -> None:
        await line.reader.read(1000)
        await line.say(answer(b"x"))

    with fleet() as client:
        async with upstream(plain) as up:
            up.url = up.url.replace("http:", "https:")
            asker = await fetch(client, up)

    assert asker.failure is not None
    assert asker.failure.reason == "connect"


async def test_abort_closes_a_tls_worker_too(ours: Authority) -> None:
    async def script(line: Line) -> None:
        await line.request()
        await line.say(chunked(b"a", end=b""))
        await line.gone()

    with fleet(HttpConfig(tls=ours.trust())) as client:
        async with upstream(script, tls=ours.server("localhost"), host="localhost") as up:
            call, asker = ask(client, up)
            await asker.heard(b"a")
            call.abort()

            await until(up.lines[0].closed.is_set)
            assert asker.calls == ["head", "data"]
