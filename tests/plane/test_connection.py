"""One connection: order, limits, and what is refused before anyone looks at it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from inference.exchange.config import PlaneConfig
from tests.plane.caller import request
from tests.plane.conftest import Hire, Running, serve, until
from tests.plane.workers import DONE, answer, completion, delta, stream
from tests.plane.world import ASK, CHAT, KEY, STREAM, World

pytestmark = pytest.mark.anyio

PAGE = request("/page", method="GET")


class Pages:
    """The control plane's place: any ASGI application. Remembers what it saw."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        self.bodies: list[bytes] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.seen.append(scope)
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        self.bodies.append(body)
        await self.gate.wait()
        head = {"type": "http.response.start", "status": 200, "headers": []}
        await send(head)
        await send({"type": "http.response.body", "body": scope["path"].encode()})


@pytest.fixture
async def pages() -> Pages:
    return Pages()


@pytest.fixture
async def both(config: PlaneConfig, world: World, pages: Pages) -> AsyncIterator[Running]:
    async with serve(config, behind=pages) as running:
        yield running


async def test_pipelined_requests_of_both_planes_are_answered_in_order(
    both: Running, hire: Hire
) -> None:
    await hire(stream(delta("a"), DONE), [0.05, answer(completion("b"))], stream(delta("c"), DONE))
    caller = await both.connect()

    asked = [
        request(CHAT, STREAM, key=KEY),
        PAGE,
        request(CHAT, ASK, key=KEY),
        request(CHAT, STREAM, key=KEY),
        PAGE,
    ]
    await caller.send(b"".join(asked))

    bodies = [(await caller.answer()).body for _ in asked]
    assert bodies == [
        delta("a") + DONE,
        b"/page",
        completion("b"),
        delta("c") + DONE,
        b"/page",
    ]


async def test_request_starts_only_when_the_answer_before_it_is_complete(
    both: Running, hire: Hire, pages: Pages
) -> None:
    worker = await hire([answer(completion())])
    pages.gate.clear()
    caller = await both.connect()

    await caller.send(PAGE + request(CHAT, ASK, key=KEY))
    await until(lambda: pages.seen)
    await asyncio.sleep(0.02)
    asked_early = list(worker.asked)
    pages.gate.set()

    assert [(await caller.answer()).status for _ in range(2)] == [200, 200]
    assert asked_early == []


async def test_connection_is_kept_after_every_kind_of_answer(both: Running, hire: Hire) -> None:
    await hire([answer(completion())])
    caller = await both.connect()

    said = []
    for asked in (
        PAGE,
        request(CHAT, ASK, key=KEY),
        request(CHAT, ASK),
        request(CHAT, b"{", key=KEY),
        PAGE,
    ):
        await caller.send(asked)
        said.append((await caller.answer()).status)

    assert said == [200, 200, 401, 400, 200]


HOST = b"Host: localhost\r\n"
MALFORMED = [
    pytest.param(b"GET /x HTTP/1.1\r\n\r\n", 400, id="no host"),
    pytest.param(b"GET /x HTTP/1.1\r\nHost: a\r\n" + HOST + b"\r\n", 400, id="two hosts"),
    pytest.param(b"GET /x HTTP/1.1\r\nHost: evil.example\r\n\r\n", 400, id="foreign host"),
    pytest.param(b"GET http://localhost/x HTTP/1.1\r\n" + HOST + b"\r\n", 400, id="absolute form"),
    pytest.param(b"GET /x#y HTTP/1.1\r\n" + HOST + b"\r\n", 400, id="fragment"),
    pytest.param(b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n", 400, id="asterisk form"),
    pytest.param(b"CONNECT localhost:1 HTTP/1.1\r\n" + HOST + b"\r\n", 400, id="CONNECT"),
    pytest.param(b"GET /x\r\n\r\n", 505, id="HTTP/0.9"),
    pytest.param(b"GET /x HTTP/2.0\r\n" + HOST + b"\r\n", 505, id="HTTP/2 in plain"),
    pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, id="HTTP/2 preface"),
    pytest.param(
        b"POST /x HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        400,
        id="length and encoding",
    ),
    pytest.param(
        b"POST /x HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
        400,
        id="two lengths",
    ),
    pytest.param(
        b"POST /x HTTP/1.1\r\n" + HOST + b"Content-Length: +3\r\n\r\nabc", 400, id="signed length"
    ),
    pytest.param(
        b"POST /x HTTP/1.1\r\n" + HOST + b"Content-Length : 3\r\n\r\nabc",
        400,
        id="space before colon",
    ),
    pytest.param(
        b"POST /x HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        400,
        id="two encodings",
    ),
    pytest.param(
        b"POST /x HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        400,
        id="unknown encoding",
    ),
    pytest.param(
        b"POST /x HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
        id="chunks in HTTP/1.0",
    ),
    pytest.param(
        b"POST /x HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n",
        400,
        id="bad chunk size",
    ),
    pytest.param(
        b"POST /x HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
        400,
        id="chunk size overflow",
    ),
    pytest.param(b"GET /x HTTP/1.1\r\n" + HOST + b"X: a\r\n b\r\n\r\n", 400, id="folded line"),
    pytest.param(b"GET /x HTTP/1.1\n" + HOST + b"\n", 400, id="bare LF"),
    pytest.param(b"GET /x HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", 400, id="bare CR"),
    pytest.param(b"GET /x HTTP/1.1\r\n" + HOST + b"X: a\x00b\r\n\r\n", 400, id="NUL"),
    pytest.param(b"GET /x HTTP/1.1\r\n" + HOST + b"X: a\x0bb\r\n\r\n", 400, id="control byte"),
    pytest.param(
        b"GET /x HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 40_000 + b"\r\n\r\n", 431, id="large field"
    ),
    pytest.param(
        b"GET /x HTTP/1.1\r\n" + HOST + b"X: a\r\n" * 200 + b"\r\n", 431, id="many fields"
    ),
    pytest.param(b"GET /" + b"x" * 40_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 431, id="long path"),
]


@pytest.mark.parametrize("place", ["/x", CHAT])
@pytest.mark.parametrize(("data", "status"), MALFORMED)
async def test_malformed_request_is_refused_once_and_reaches_nobody(
    both: Running, world: World, pages: Pages, data: bytes, status: int, place: str
) -> None:
    caller = await both.connect()

    await caller.send(data.replace(b" /x", b" " + place.encode(), 1) + PAGE)
    heard = await caller.answer()

    assert (heard.status, heard.header("connection")) == (status, "close")
    assert heard.error["code"] == "invalid_request"
    assert heard.header("x-xerotier-request-id") == heard.header("x-request-id")
    assert (heard.header("x-request-id") or "").startswith("req_")
    assert await caller.closed()
    assert pages.seen == []
    assert world.events() == []
    assert not both.gateway.plane.running


@pytest.mark.parametrize(
    "path",
    [
        "/proj_a/b%2fc/v1/models",
        "/proj_a/%2e%2e/v1/models",
        "/proj_a/../v1/models",
        "/proj_a/b/v1/../models",
        "/proj_a/b/v1//models",
        "/proj_a/b/v1/models/%2E%2e/x",
        "/proj_a/b%00/v1/models",
        "/proj_a/b\\c/v1/models",
    ],
)
async def test_path_that_two_parsers_read_differently_is_refused(
    both: Running, pages: Pages, path: str
) -> None:
    heard = await both.ask(request(path, key=KEY, method="GET"))

    assert heard.status == 400
    assert pages.seen == []


async def test_malformed_request_waits_for_the_answers_before_it(both: Running, hire: Hire) -> None:
    await hire([0.05, answer(completion())])
    caller = await both.connect()

    await caller.send(request(CHAT, ASK, key=KEY) + b"nonsense\r\n\r\n")

    assert [(await caller.answer()).status for _ in range(2)] == [200, 400]
    assert await caller.closed()


async def test_underscores_and_strangers_word_about_addresses_are_dropped(
    both: Running, pages: Pages
) -> None:
    lies = {"X_Forwarded_For": "1.1.1.1", "X-Forwarded-For": "2.2.2.2", "Forwarded": "for=3.3.3.3"}

    await both.ask(request("/page", method="GET", headers=lies))

    assert pages.seen[0]["client"][0] == "127.0.0.1"
    assert [name for name, _ in pages.seen[0]["headers"]] == [b"host"]


async def test_white_space_around_a_value_is_no_part_of_it(both: Running, pages: Pages) -> None:
    await both.ask(b"GET /page HTTP/1.1\r\nHost:\t localhost \t\r\nX-Empty: \r\n\r\n")

    assert pages.seen[0]["headers"] == [(b"host", b"localhost"), (b"x-empty", b"")]


async def test_trusted_proxys_word_is_taken(
    config: PlaneConfig, world: World, pages: Pages
) -> None:
    said = {"X-Forwarded-For": "6.6.6.6, 9.9.9.9, 10.0.0.7"}

    trusting = replace(config, trusted_proxies=("127.0.0.1", "10.0.0.0/8"))
    async with serve(trusting, behind=pages) as running:
        await running.ask(request("/page", method="GET", headers=said))

    assert pages.seen[0]["client"][0] == "9.9.9.9"


async def test_trailers_never_become_header_fields(both: Running, pages: Pages) -> None:
    head = b"POST /page HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"

    heard = await both.ask(head + b"3\r\nabc\r\n0\r\nX-Admin: yes\r\n\r\n")

    assert (heard.status, pages.bodies) == (200, [b"abc"])
    assert b"x-admin" not in dict(pages.seen[0]["headers"])


async def test_one_connection_too_many_is_sent_away(config: PlaneConfig, world: World) -> None:
    bounds = replace(config.bounds, connections=2)

    async with serve(replace(config, bounds=bounds)) as running:
        kept = [await running.connect() for _ in range(2)]
        await until(lambda: len(running.server.server_state.connections) == 2)
        extra = await running.connect()

        refused = await extra.answer()
        assert (refused.status, refused.header("retry-after")) == (503, "2")
        assert await extra.closed()
        await kept[0].send(request("/healthz", method="GET"))
        assert (await kept[0].answer()).status == 200


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param(b"", None, id="silent connection"),
        pytest.param(b"GET /page HTTP/1.1\r\nHo", 408, id="dribbled head"),
        pytest.param(
            b"POST /page HTTP/1.1\r\n" + HOST + b"Content-Length: 9\r\n\r\nab",
            408,
            id="dribbled body of a page",
        ),
        pytest.param(request(CHAT, ASK, key=KEY)[:-3], 408, id="dribbled body of a request"),
    ],
)
async def test_waits_for_the_caller_end(
    config: PlaneConfig, world: World, hire: Hire, pages: Pages, sent: bytes, status: int | None
) -> None:
    worker = await hire([answer(completion())])
    waits = replace(config.waits, header_s=0.1, body_idle_s=0.1)

    async with serve(replace(config, waits=waits), behind=pages) as running:
        caller = await running.connect()
        await caller.send(sent)
        if status is not None:
            assert (await caller.head()).status == status
        assert await caller.closed()

    assert worker.asked == []
    assert pages.bodies == []
