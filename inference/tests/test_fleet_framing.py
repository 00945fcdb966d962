"""A complete answer is told from a broken one, whatever the worker does with its bytes."""

from __future__ import annotations

import asyncio

import pytest

from inference.fleet.http.config import HttpConfig
from inference.tests.asker import Asker
from inference.tests.fleets import LOOPS, ask, fetch, fleet, until
from inference.tests.upstream import Line, Script, always, answer, chunked, upstream

pytestmark = pytest.mark.anyio

STREAM = chunked(b'data: {"a":"\xc3\xbc"}\n\n', b"data: [DONE]\n\n")
SSE = b'data: {"a":"\xc3\xbc"}\n\ndata: [DONE]\n\n'


@pytest.fixture(params=LOOPS, ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> object:
    return request.param


def once(*pieces: bytes) -> Script:
    """Answer one request and close."""

    async def script(line: Line) -> None:
        await line.request()
        await line.say(*pieces)

    return script


async def play(script: Script, config: HttpConfig | None = None) -> tuple[Asker, int]:
    """Return what the asker heard, and how many connections lie idle afterwards."""
    with fleet(config) as client:
        async with upstream(script) as up:
            asker = await fetch(client, up)
            return asker, client.stats().idle_connections


@pytest.mark.parametrize("whole", [answer(b"hello"), STREAM], ids=["length", "chunked"])
async def test_answer_cut_at_every_byte_is_the_same_answer(whole: bytes) -> None:
    with fleet() as client:
        for at in range(1, len(whole)):
            async with upstream(always(whole[:at], whole[at:])) as up:
                asker = await fetch(client, up)

            assert asker.ended
            assert asker.body == (SSE if whole is STREAM else b"hello")
            assert asker.calls[0] == "head"


async def test_answer_in_single_bytes_is_the_same_answer() -> None:
    asker, idle = await play(always(*[STREAM[at : at + 1] for at in range(len(STREAM))]))

    assert (asker.body, asker.ended, idle) == (SSE, True, 1)


@pytest.mark.parametrize(
    ("said", "detail"),
    [
        (b"", "closed without an answer"),
        (b"HTTP/1.1 200 O", "closed within the head"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n", "closed within the head"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "closed within the head"),
        (answer(b"hello")[:-1], "closed within the body"),
        (STREAM[:-1], "closed within the body"),
        (STREAM[: -len(b"0\r\n\r\n")], "closed within the body"),
        (STREAM[:-20], "closed within the body"),
    ],
)
async def test_early_close_is_never_an_end(said: bytes, detail: str) -> None:
    asker, idle = await play(once(said))

    assert asker.calls[-1] == "fail"
    assert "end" not in asker.calls
    assert str(asker.failure) == f"reset: {detail}"
    assert idle == 0


@pytest.mark.parametrize(
    ("said", "body"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nall of it", b"all of it"),
        (b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nold", b"old"),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nold", b"old"),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbye", b"bye"),
        (b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n", b""),
    ],
)
async def test_answer_that_ends_with_its_connection_is_whole(said: bytes, body: bytes) -> None:
    asker, idle = await play(once(said[:20], said[20:]))

    assert asker.ended
    assert (asker.body, idle) == (body, 0)


async def test_answer_without_framing_is_broken_by_a_reset() -> None:
    async def script(line: Line) -> None:
        await line.request()
        await line.say(b"HTTP/1.1 200 OK\r\n\r\nhalf")
        await told.wait()
        line.reset()

    told = asyncio.Event()
    with fleet() as client:
        async with upstream(script) as up:
            _, asker = ask(client, up)
            await asker.heard(b"half")
            told.set()
            await asker.finished()

    assert asker.calls == ["head", "data", "fail"]
    assert asker.failure is not None
    assert asker.failure.reason == "reset"


async def test_informational_heads_are_skipped() -> None:
    early = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"

    asker, idle = await play(always(early + answer(b"ok")))

    assert (asker.status, asker.body, idle) == (200, b"ok", 1)
    assert asker.headers == [(b"content-length", b"2")]
    assert asker.calls == ["head", "data", "end"]


async def test_trailers_are_dropped() -> None:
    asker, idle = await play(always(chunked(b"x", end=b"0\r\nX-Sum: 1\r\nServer: y\r\n\r\n")))

    assert (asker.body, asker.ended, idle) == (b"x", True, 1)
    assert asker.headers == [(b"content-type", b"text/event-stream")]


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", id="2x"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", id="both"
        ),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", id="coding"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n", id="fold"),
        pytest.param(b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", id="bare LF"),
        pytest.param(
            b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", id="101"
        ),
        pytest.param(b"HTTP/1.1 999 ?\r\nContent-Length: 0\r\n\r\n", id="status"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", id="not http"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000, id="long head"),
        pytest.param(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n", id="many fields"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000 + b"\r\nContent-Length: 0\r\n\r\n",
            id="long head at once",
        ),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" * 5_000, id="endless 1xx"),
    ],
)
async def test_nonsense_before_the_answer_fails_it_and_its_connection(said: bytes) -> None:
    async def script(line: Line) -> None:
        await line.request()
        await line.say(said)
        await line.gone()

    with fleet() as client:
        async with upstream(script) as up:
            asker = await fetch(client, up)
            await until(up.lines[0].closed.is_set)

            assert asker.calls == ["fail"]
            assert asker.failure is not None
            assert asker.failure.reason == "protocol"
            assert client.stats().open_connections == 0


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(b"zz\r\n", id="bad size"),
        pytest.param(b"1\r\nab\r\n", id="size too small"),
        pytest.param(b"0\r\nX: " + b"a" * 200_000, id="endless trailer"),
        pytest.param(b"1;" + b"a" * 200_000, id="endless extension"),
    ],
)
async def test_nonsense_within_the_answer_fails_what_was_begun(after: bytes) -> None:
    async def script(line: Line) -> None:
        await line.request()
        await line.say(chunked(b"good", end=b""))
        await told.wait()
        await line.say(after)
        await line.gone()

    told = asyncio.Event()
    with fleet() as client:
        async with upstream(script) as up:
            _, asker = ask(client, up)
            await asker.heard(b"good")
            told.set()
            await asker.finished()

            assert asker.calls[0] == "head"
            assert asker.calls[-1] == "fail"
            assert asker.failure is not None
            assert asker.failure.reason == "protocol"
            assert asker.body in {b"good", b"gooda"}
            await until(lambda: client.stats().open_connections == 0)


async def test_head_that_arrives_with_nonsense_is_not_told() -> None:
    asker, idle = await play(always(chunked(b"good", end=b"zz\r\n")))

    assert asker.calls == ["fail"]
    assert idle == 0


async def test_bytes_behind_an_answer_are_nobodys_answer() -> None:
    async def script(line: Line) -> None:
        await line.request()
        await line.say(answer(b"mine") + answer(b"poison"))
        await line.gone()

    with fleet() as client:
        async with upstream(script) as up:
            first = await fetch(client, up)
            second = await fetch(client, up)

    assert (first.body, second.body) == (b"mine", b"mine")
    assert len(up.lines) == 2


async def test_bytes_on_an_idle_connection_close_it() -> None:
    async def script(line: Line) -> None:
        await line.request()
        await line.say(answer(b"mine"))
        await line.say(answer(b"poison"))
        await line.gone()

    with fleet() as client:
        async with upstream(script) as up:
            await fetch(client, up)
            await until(lambda: client.stats().open_connections == 0)
            second = await fetch(client, up)

    assert second.body == b"mine"


async def test_only_listed_fields_of_a_worker_reach_the_asker() -> None:
    extra = (
        b"Content-Type: text/plain\r\nServer: vllm\r\nSet-Cookie: a=b\r\nDate: now\r\n"
        b"OpenAI-Organization: acme\r\nOpenAI-Processing-Ms: 7\r\nX-RateLimit-Limit-Requests: 1\r\n"
        b"X-Request-ID: theirs\r\nWWW-Authenticate: Basic\r\nProxy-Status: x\r\nRetry-After: 3\r\n"
        b"Connection: keep-alive, Content-Language\r\nContent-Language: de\r\nX-New: ?\r\n"
    )

    asker, _ = await play(always(answer(b"{}", extra=extra)))

    assert asker.headers == [
        (b"content-type", b"text/plain"),
        (b"openai-processing-ms", b"7"),
        (b"retry-after", b"3"),
        (b"content-length", b"2"),
    ]


async def test_encoded_answer_passes_unchanged() -> None:
    squeezed = b"\x1f\x8b\x08\x00not really"

    asker, _ = await play(always(answer(squeezed, extra=b"Content-Encoding: gzip\r\n")))

    assert asker.body == squeezed
    assert (b"content-encoding", b"gzip") in asker.headers
