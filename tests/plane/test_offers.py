"""An offer to change the protocol is declined by answering in HTTP/1.1 (RFC 9110 section 7.8)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from inference.exchange.config import PlaneConfig
from tests.plane.caller import request
from tests.plane.conftest import Hire, Running, serve
from tests.plane.test_connection import Pages
from tests.plane.workers import DONE, answer, chunk, completion, delta, stream
from tests.plane.world import ASK, CHAT, KEY, STREAM, World

pytestmark = pytest.mark.anyio

JAVA = {
    "Connection": "Upgrade, HTTP2-Settings",
    "Upgrade": "h2c",
    "HTTP2-Settings": "AAEAAEAAAAIAAAAAAAMAAAAAAAQBAAAAAAUAAEAAAAYABgAA",
}
OFFERS = [
    pytest.param(JAVA, id="Java's"),
    pytest.param({"Connection": "upgrade", "Upgrade": "TLS/1.0"}, id="TLS"),
    pytest.param({"Connection": "keep-alive, Upgrade", "Upgrade": "a, b/2"}, id="several"),
    pytest.param({"Connection": "Upgrade", "Upgrade": "websocket"}, id="a socket, by POST"),
]
MODELS = CHAT.replace("chat/completions", "models")
BODY = json.dumps(ASK).encode()


@pytest.fixture
async def pages() -> Pages:
    return Pages()


@pytest.fixture
async def both(config: PlaneConfig, world: World, pages: Pages) -> AsyncIterator[Running]:
    async with serve(config, behind=pages) as running:
        yield running


def framed(path: str, offer: dict[str, str], *, in_chunks: bool) -> bytes:
    if not in_chunks:
        return request(path, BODY, key=KEY, headers=offer)
    head = request(path, key=KEY, headers={**offer, "Transfer-Encoding": "chunked"})
    return head + chunk(BODY[:7]) + chunk(BODY[7:]) + chunk(b"")


@pytest.mark.parametrize("offer", OFFERS)
@pytest.mark.parametrize("in_chunks", [False, True])
@pytest.mark.parametrize("piece", [1, 50, 10_000])
async def test_body_behind_an_offer_arrives_whole_and_the_connection_goes_on(
    both: Running, hire: Hire, pages: Pages, offer: dict[str, str], in_chunks: bool, piece: int
) -> None:
    worker = await hire([answer(completion())])
    caller = await both.connect()
    plane, page = (framed(path, offer, in_chunks=in_chunks) for path in (CHAT, "/page"))
    sent = plane + page + plane + request("/next", method="GET")

    for start in range(0, len(sent), piece):
        await caller.send(sent[start : start + piece])
    said = [(await caller.answer()).status for _ in range(4)]

    assert said == [200] * 4
    assert [asked.body for asked in worker.asked] == [BODY] * 2
    assert pages.bodies == [BODY, b""]
    assert "upgrade" not in dict(worker.asked[0].headers)


@pytest.mark.parametrize("offer", OFFERS[:3])
async def test_request_without_a_body_is_answered_as_if_there_were_no_offer(
    both: Running, hire: Hire, offer: dict[str, str]
) -> None:
    await hire([answer(completion())])
    caller = await both.connect()
    asked = [request(path, method="GET", key=KEY, headers=offer) for path in (MODELS, "/page")]

    await caller.send(b"".join(asked) * 2)
    heard = [await caller.answer() for _ in range(4)]

    assert [answered.status for answered in heard] == [200] * 4
    assert heard[0].header("upgrade") is None


async def test_socket_on_the_planes_paths_is_declined_like_any_other_offer(both: Running) -> None:
    offer = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}

    heard = await both.ask(request(MODELS, method="GET", key=KEY, headers=offer))

    assert heard.status == 200


async def test_java_gets_its_stream(both: Running, hire: Hire) -> None:
    await hire(stream(delta("Pa"), DONE))

    heard = await both.ask(request(CHAT, STREAM, key=KEY, headers=JAVA))

    assert (heard.status, heard.body) == (200, delta("Pa") + DONE)


@pytest.mark.parametrize(
    "framing",
    [
        pytest.param("Content-Length: 3\r\nContent-Length: 3\r\n", id="two lengths"),
        pytest.param("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", id="both"),
        pytest.param("Transfer-Encoding: chunked, chunked\r\n", id="twice"),
        pytest.param("Transfer-Encoding: x\r\n", id="another coding"),
    ],
)
async def test_offer_smuggles_nothing(both: Running, pages: Pages, framing: str) -> None:
    head = request("/page", headers=JAVA).decode().removesuffix("\r\n")
    caller = await both.connect()

    await caller.send(
        f"{head}{framing}\r\nabcGET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    )
    heard = await caller.answer()

    assert heard.status == 400
    assert await caller.closed()
    assert pages.seen == []
