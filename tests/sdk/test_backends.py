"""A server by URL serves its owner's endpoint, is shown its own credential, and then is removed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import httpx2
import openai
import pytest

from tests.platform import Platform
from tests.sdk.test_xim import Machine, add_model, streamed, until

pytestmark = pytest.mark.sdk
HOST = "127.0.0.2"
"""The one address of this machine that the platform's operator allows (``tests.platform``)."""
KEY = "sk-of-that-server"
THERE = "their-name-for-it"
HERE = "joined"


@dataclass
class Server:
    """An OpenAI-compatible server that wants a key; keeps what each request showed and asked."""

    port: int = 0
    asked: list[tuple[str, str | None, Any]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}/v1"

    def posts(self) -> list[tuple[str, str | None, Any]]:
        return [one for one in self.asked if one[2]]


@contextmanager
def listening() -> Iterator[Server]:
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(None, b'{"object": "list", "data": [{"id": "%b"}]}' % THERE.encode())

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            said = {"choices": [{"index": 0, "delta": {"content": "From there."}}]}
            done = b"data: [DONE]\n\n"
            self._answer(body, b"data: %b\n\n%b" % (json.dumps(said).encode(), done))

        def _answer(self, asked: Any, body: bytes) -> None:
            shown = self.headers.get("Authorization")
            server.asked.append((self.path, shown, asked))
            is_known = shown == f"Bearer {KEY}"
            self.send_response((200 if asked != {} else 400) if is_known else 401)
            kind = "application/json" if asked is None else "text/event-stream"
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
            """Say nothing on the terminal."""

    http = ThreadingHTTPServer((HOST, 0), Handler)
    server.port = http.server_port
    thread = Thread(target=http.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join(30)


@pytest.fixture
def owner(platform: Platform, tmp_path: Any) -> Iterator[Machine]:
    """Hand out an owner at the management API."""
    add_model(platform)
    made = Machine(platform, tmp_path)
    with made.api:
        yield made


def test_backend_serves_its_owners_endpoint_and_nothing_more_once_it_is_removed(
    owner: Machine,
) -> None:
    with listening() as server:
        said = {"url": server.url, "credential": KEY}
        [found] = owner.api.post("/backends/ask", json=said).json()["models"]
        assert (found["name"], found["model"]) == (THERE, None)
        added = owner.post("/backends", {**said, "name": "there", "models": {THERE: HERE}})
        owner.post("/endpoints", {"slug": "by-url", "model": HERE, "tier": "self_hosted"})

        until(lambda: answers(owner))

        assert KEY not in json.dumps(owner.api.get("/backends").json())
        until(lambda: owner.api.get(f"/backends/{added['id']}").json()["health"]["heard"] == "200")
        assert {shown for _, shown, _ in server.asked} == {f"Bearer {KEY}"}
        assert [body["model"] for _, _, body in server.posts()][-1] == THERE

        assert owner.api.delete(f"/backends/{added['id']}").status_code == 204
        until(lambda: not answers(owner))
        count = len(server.posts())
        assert not answers(owner)
        assert len(server.posts()) == count


def answers(owner: Machine) -> bool:
    try:
        return streamed(owner, "Who is there?", "by-url") == "From there."
    except openai.InternalServerError:
        return False


@pytest.mark.parametrize(
    ("url", "says"),
    [
        pytest.param("{platform}", "own machine", id="the platform"),
        pytest.param("http://127.0.0.1:6379", "Port 6379", id="Valkey's port"),
        pytest.param("http://2130706433:8000/v1", "own machine", id="decimal"),
        pytest.param("http://[::ffff:127.0.0.1]:8000/v1", "own machine", id="mapped"),
        pytest.param("http://[64:ff9b::7f00:1]:8000/v1", "own machine", id="NAT64"),
        pytest.param("http://169.254.169.254/latest", "clouds keep their secrets", id="metadata"),
        pytest.param("http://localhost:8000/v1", "own machine", id="by name"),
    ],
)
def test_machine_of_the_platform_is_no_backend(owner: Machine, url: str, says: str) -> None:
    url = url.replace("{platform}", owner.platform.url)

    answer: httpx2.Response = owner.api.post("/backends/ask", json={"url": url})

    assert answer.status_code == 400
    assert says in answer.json()["error"]["message"]


def test_server_that_wants_another_key_is_not_added(owner: Machine) -> None:
    with listening() as server:
        said = {"name": "shut", "url": server.url, "credential": "wrong", "models": {THERE: HERE}}
        answer = owner.api.post("/backends", json=said)

    assert answer.json()["error"]["code"] == "backend_unreachable"
    assert "wants a credential, or another one (401)" in answer.json()["error"]["message"]
