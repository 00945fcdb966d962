"""One port, one connection, both planes: what is not inference reaches Django unharmed.

Over the platform's own server, and over two servers of other people.
"""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlencode, urlsplit

import pytest

from tests.plane.caller import Connection, Heard, request
from tests.plane.test_news import answers, free_port
from tests.platform import ROOT, Platform, new_home, start

pytestmark = pytest.mark.anyio

WANTS_SOCKET = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    with new_home() as home:
        running = start(home, with_models=False)
        yield running
        running.stop()


@pytest.fixture
def port(platform: Platform) -> int:
    return urlsplit(platform.url).port or 0


@pytest.fixture
def models(platform: Platform) -> bytes:
    """Write a request that the gateway answers without a worker."""
    known = platform.quickstart
    path = f"/{known['XEROTIER_PROJECT']}/{known['XEROTIER_ENDPOINT']}/v1/models"
    return request(path, key=known["OPENAI_API_KEY"], method="GET")


def get(path: str, method: str = "GET", **headers: str) -> bytes:
    return request(path, method=method, headers=headers)


def is_models(heard: Heard) -> bool:
    return heard.status == 200 and b'"object"' in heard.body


def is_page(heard: Heard) -> bool:
    return heard.status == 200 and b"<html" in heard.body


async def hear(connection: Connection, data: bytes) -> Heard:
    await connection.send(data)
    return await connection.answer()


async def once(port: int, data: bytes) -> Heard:
    connection = await Connection.open(port)
    try:
        return await hear(connection, data)
    finally:
        connection.reset()


async def test_pages_files_and_inference_share_one_connection(port: int, models: bytes) -> None:
    caller = await Connection.open(port)

    page = await hear(caller, get("/auth/login"))
    first = await hear(caller, models)
    file = await hear(caller, get("/static/app.css"))
    admin = await hear(caller, get("/admin/"))
    await caller.send(get("/auth/login", "HEAD"))
    head = await caller.head()
    options = await hear(caller, get("/auth/login", "OPTIONS"))
    again = await hear(caller, models)
    caller.reset()

    assert is_page(page)
    assert is_models(first)
    assert (file.status, file.body) == (200, (ROOT / "static" / "app.css").read_bytes())
    assert (admin.status, (admin.header("location") or "")[:7]) == (302, "/admin/")
    assert (head.status, head.header("content-type")) == (200, page.header("content-type"))
    assert (options.status, "GET" in (options.header("allow") or "")) == (200, True)
    assert is_models(again)


async def test_pipelined_requests_of_both_planes_are_answered_in_order(
    port: int, models: bytes
) -> None:
    caller = await Connection.open(port)
    asked = [get("/auth/login"), models, get("/static/app.css"), models, models, get("/auth/login")]

    await caller.send(b"".join(asked))
    heard = [await caller.answer() for _ in asked]
    caller.reset()

    css = (ROOT / "static" / "app.css").read_bytes()
    assert [heard[2].body == css, *map(is_models, (heard[1], heard[3], heard[4]))] == [True] * 4
    assert is_page(heard[0])
    assert is_page(heard[5])


@pytest.mark.parametrize("cut", [0, 1, 40])
async def test_form_arrives_whole_however_it_is_cut(port: int, models: bytes, cut: int) -> None:
    caller = await Connection.open(port)
    page = await hear(caller, get("/auth/login"))
    cookies = [value.partition(";")[0] for name, value in page.headers if name == "set-cookie"]
    token = re.search(rb'name="csrfmiddlewaretoken" value="(\w+)"', page.body)
    assert token is not None
    fields = {"csrfmiddlewaretoken": token[1].decode(), "login": "a@b.example", "password": "no"}
    body = urlencode(fields).encode()
    form = {"Cookie": "; ".join(cookies), "Content-Type": "application/x-www-form-urlencoded"}
    asked = request("/auth/login", body, headers=form) + models

    await caller.send(asked[: len(asked) - len(models) - cut])
    await caller.send(asked[len(asked) - len(models) - cut :])
    refused, after = await caller.answer(), await caller.answer()
    caller.reset()

    assert refused.status in (200, 422)
    assert b"a@b.example" in refused.body
    assert is_models(after)


async def test_who_wants_a_websocket_is_told_that_there_is_none(
    platform: Platform, port: int
) -> None:
    known = platform.quickstart
    path = f"/{known['XEROTIER_PROJECT']}/{known['XEROTIER_ENDPOINT']}/v1/chat/completions"
    before = platform.console

    ours = await once(port, get("/ws", Origin=platform.url, **WANTS_SOCKET))
    foreign = await once(port, get("/ws", Origin="http://evil.example", **WANTS_SOCKET))
    plane = await once(port, get(path, **WANTS_SOCKET))

    assert (ours.status, ours.error["code"]) == (404, "endpoint_not_found")
    assert (foreign.status, foreign.error["code"]) == (404, "endpoint_not_found")
    assert (plane.status, plane.error["code"]) == (405, "method_not_allowed")
    assert "Traceback" not in platform.console.removeprefix(before)


ONLY_OURS = """
import importlib.metadata, re, sys
named = lambda *files: {re.sub("[-_.]+", "-", name).lower()
    for file in files for name in re.findall(r"^([\\w.-]+)==", open(file).read(), re.M)}
hidden = named("requirements-dev.txt") - named("requirements.txt", "xim/requirements.txt")
class Hidden:
    @staticmethod
    def find_spec(name, *_):
        owners = {one.lower() for one in owned.get(name.partition(".")[0], [])}
        if owners and owners <= hidden:
            raise ImportError(f"{name} is for developers")
owned = {top: [re.sub("[-_.]+", "-", one) for one in found]
    for top, found in importlib.metadata.packages_distributions().items()}
sys.meta_path.insert(0, Hidden)
import uvicorn.protocols.websockets.auto as sockets
import xerotier_site.server, xerotier_site.asgi, xerotier_site.celery
print(sockets.AutoWebSocketsProtocol)
"""


def test_users_have_all_that_a_server_needs_and_a_websocket_protocol(platform: Platform) -> None:
    done = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-c", ONLY_OURS],
        cwd=ROOT,
        env=platform.settings,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "uvicorn.protocols.websockets" in done.stdout


@contextmanager
def served_by(platform: Platform, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run the same application under another server, on the platform's databases."""
    arguments = [sys.executable, "-m", *command]
    process = subprocess.Popen(arguments, cwd=ROOT, env=platform.settings)  # noqa: S603 - ours
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(15)


async def test_plain_uvicorn_serves_both_planes(platform: Platform, models: bytes) -> None:
    port = free_port()
    application = ("uvicorn", "xerotier_site.asgi:application", "--log-level", "warning")

    with served_by(platform, *application, "--port", str(port)):
        await answers(port)
        caller = await Connection.open(port)
        heard = [await hear(caller, asked) for asked in (models, get("/auth/login"), models)]
        caller.reset()

    checks: list[Callable[[Heard], bool]] = [is_models, is_page, is_models]
    assert all(check(one) for check, one in zip(checks, heard, strict=True))


async def test_daphne_serves_pages_and_says_why_it_serves_no_inference(
    platform: Platform, models: bytes
) -> None:
    port = free_port()

    with served_by(platform, "daphne", "-p", str(port), "xerotier_site.asgi:application"):
        async with asyncio.timeout(30):
            while not await is_open(port):
                await asyncio.sleep(0.05)
        page = await once(port, get("/auth/login"))
        refused = await once(port, models)

    assert is_page(page)
    assert (refused.status, refused.error["code"]) == (503, "service_unavailable")
    assert "Daphne" in refused.error["message"]
    assert "make run" in refused.error["message"]


async def is_open(port: int) -> bool:
    try:
        (await Connection.open(port)).reset()
    except OSError:
        return False
    return True
