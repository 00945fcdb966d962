"""The gateway hands on to a control plane in another process: whole, once, and without its lies.

Over real sockets; the control plane's part is played by a small server that says what it heard.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from inference.exchange.config import PlaneConfig
from tests.plane.caller import request
from tests.plane.conftest import Running, serve
from xerotier_site.control import BehindFront, ControlMount
from xerotier_site.front import Forward
from xerotier_site.limits import BodyLimit

pytestmark = pytest.mark.anyio

LIMIT = 500_000
Application = Callable[[Any, Any, Any], Awaitable[None]]


class Echo:
    """Answers with what it heard; ``/slow`` waits for its caller to leave, ``/crash`` falls."""

    def __init__(self) -> None:
        self.left = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = await self._body(receive)
        if scope["path"] == "/slow":
            await receive()
            self.left.set()
            return
        if scope["path"] == "/early":
            await self._start(send, [])
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
            raise RuntimeError
        said = {
            "method": scope["method"],
            "target": (scope["raw_path"] + b"?" + scope["query_string"]).decode(),
            "client": scope["client"],
            "headers": [[name.decode(), value.decode()] for name, value in scope["headers"]],
            "peer": scope["extensions"]["xerotier.peer"],
            "length": len(body),
            "sum": sum(body),
        }
        await self._start(send, [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")])
        await send({"type": "http.response.body", "body": json.dumps(said).encode()})

    @staticmethod
    async def _body(receive: Any) -> bytes:
        body = b""
        while True:
            message = await receive()
            body += bytes(message.get("body", b""))
            if not message.get("more_body", False):
                return body

    @staticmethod
    async def _start(send: Any, headers: list[tuple[bytes, bytes]]) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})


class Quiet(uvicorn.Server):
    """A server that leaves signals alone."""

    def capture_signals(self) -> Any:
        return nullcontext()


@asynccontextmanager
async def control(application: Application, socket: str) -> AsyncIterator[None]:
    config = uvicorn.Config(application, uds=socket, lifespan="off", log_config=None)
    server = Quiet(config)
    serving = asyncio.ensure_future(server.serve())
    async with asyncio.timeout(10):
        while not server.started:
            await asyncio.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        await serving


@asynccontextmanager
async def gateway(config: PlaneConfig, socket: str) -> AsyncIterator[Running]:
    forward = Forward(socket)
    behind = BodyLimit(forward, LIMIT)
    async with serve(config, behind, [("control", forward.check())]) as running:
        yield running


@pytest.fixture
def socket() -> Any:
    with tempfile.TemporaryDirectory(prefix="xt-") as folder:
        yield str(Path(folder) / "control.sock")


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
async def front(config: PlaneConfig, echo: Echo, socket: str) -> AsyncIterator[Running]:
    known = replace(config, trusted_proxies=("127.0.0.1/32",))
    async with control(BehindFront(echo), socket), gateway(known, socket) as running:
        yield running


async def test_request_and_answer_pass_whole(front: Running) -> None:
    heard = await front.ask(request("/a%2Fb?x=1&y=%20", b"z" * 300_000))

    said = json.loads(heard.body)
    assert (said["method"], said["target"]) == ("POST", "/a%2Fb?x=1&y=%20")
    assert (said["length"], said["sum"]) == (300_000, 300_000 * ord("z"))
    assert [value for name, value in heard.headers if name == "set-cookie"] == ["a=1", "b=2"]
    assert len([name for name, _ in heard.headers if name == "date"]) == 1


async def test_chunked_body_passes_whole(front: Running) -> None:
    head = b"POST /c HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"

    heard = await front.ask(head + b"5\r\nabcde\r\n3\r\nfgh\r\n0\r\n\r\n")

    assert json.loads(heard.body)["length"] == 8


@pytest.mark.parametrize("framing", ["announced", "chunked"])
async def test_body_that_is_too_long_is_refused_as_such(front: Running, framing: str) -> None:
    body = b"z" * (LIMIT + 1)
    head = b"POST /c HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
    chunked = head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)

    heard = await front.ask(request("/c", body) if framing == "announced" else chunked)

    assert (heard.status, heard.error["code"]) == (413, "request_too_large")


async def test_caller_is_whom_the_gateway_saw(front: Running) -> None:
    forwarded = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}

    heard = await front.ask(request("/", method="GET", headers=forwarded))

    said = json.loads(heard.body)
    assert said["client"] == ["203.0.113.7", 0]
    assert said["peer"]["is_proxy"] is True
    assert ["x-forwarded-proto", "https"] in said["headers"]


async def test_nobody_speaks_for_the_gateway(front: Running) -> None:
    lie = {"X-Xerotier-Front": '{"client": "10.0.0.1", "is_proxy": true}'}

    heard = await front.ask(request("/", method="GET", headers=lie))

    said = json.loads(heard.body)
    assert said["client"] == ["127.0.0.1", 0]
    assert "x-xerotier-front" not in dict(said["headers"])


async def test_caller_who_leaves_is_missed_over_there(front: Running, echo: Echo) -> None:
    connection = await front.connect()
    await connection.send(request("/slow", method="GET"))
    await asyncio.sleep(0.1)

    connection.reset()

    await asyncio.wait_for(echo.left.wait(), 5)


async def test_answer_that_breaks_off_is_not_taken_for_whole(front: Running) -> None:
    connection = await front.connect()
    await connection.send(request("/early", method="GET"))

    heard = await connection.answer()

    assert (heard.status, heard.body, heard.complete) == (200, b"x", False)


async def test_without_a_control_plane_pages_say_so_and_probes_too(
    config: PlaneConfig, socket: str
) -> None:
    async with gateway(config, socket) as running:
        page = await running.ask(request("/auth/login", method="GET"))
        ready = await running.ask(request("/readyz", method="GET"))

    assert (page.status, page.error["code"]) == (503, "service_unavailable")
    assert "control plane" in json.loads(ready.body)["not_ready"]["control"]


async def test_readiness_is_that_of_both(config: PlaneConfig, echo: Echo, socket: str) -> None:
    trouble: list[str | None] = [None]

    async def check() -> str | None:
        return trouble[0]

    async with (
        control(ControlMount(echo, [("database", check)]), socket),
        gateway(config, socket) as running,
    ):

        async def reason() -> str | None:
            body = (await running.ask(request("/readyz", method="GET"))).body
            found: str | None = json.loads(body)["not_ready"].get("control")
            return found

        fine = await reason()
        trouble[0] = "it sleeps"
        assert (fine, await reason()) == (None, "database: it sleeps")
