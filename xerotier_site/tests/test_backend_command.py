"""A server is asked before it becomes a worker: what it serves, speaks, and how long it reads."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from agents import asking
from agents.models import Worker
from projects.models import Project
from tests.make import make_model, make_tier

pytestmark = pytest.mark.django_db

MODEL = "smollm2-135m-instruct"


class Engine(BaseHTTPRequestHandler):
    """Serves two models below ``/v1``, chat and responses, and nothing else."""

    models = [{"id": MODEL, "max_model_len": 4096, "owned_by": "vllm"}, {"id": "other"}]

    def do_GET(self) -> None:
        if self.path == "/moved/models":
            self._say(302, {}, location="/v1/models")
        else:
            self._say(200 if self.path == "/v1/models" else 404, {"data": self.models})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        spoken = self.path in {"/v1/chat/completions", "/v1/responses"}
        self._say(400 if spoken else 404, {"error": {"message": "no messages"}})

    def log_message(self, *_said: object) -> None:
        pass

    def _say(self, status: int, body: object, **headers: str) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"content-length": str(len(text)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)


@pytest.fixture
def engine(db: None) -> Iterator[str]:
    make_tier("free")
    make_model()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Engine)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def add(*said: str) -> str:
    told = StringIO()
    call_command("backend", "add", *said, "--model", MODEL, stdout=told)
    return told.getvalue()


def test_what_a_server_says_of_itself_is_taken(engine: str) -> None:
    add(f"{engine}/v1")

    worker = Worker.objects.get()
    assert worker.operations == ["chat/completions", "responses"]
    assert (worker.context_length, worker.engine, worker.tiers) == (4096, "vllm", ["free"])


def test_url_without_v1_is_mended_and_said(engine: str) -> None:
    told = add(engine)

    assert f"It answers at {engine}/v1" in told
    assert Worker.objects.get().url == f"{engine}/v1"


def test_model_it_does_not_serve_is_refused_with_what_it_does(engine: str) -> None:
    with pytest.raises(CommandError, match="does not serve 'mine'"):
        add(f"{engine}/v1", "--served-name", "mine")

    assert not Worker.objects.exists()


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/v1", "ftp://127.0.0.1/v1", "{}/moved"])
def test_server_that_is_none_is_added_by_force_alone(engine: str, url: str) -> None:
    wanted = url.format(engine)

    with pytest.raises(CommandError, match="--force"):
        add(wanted)

    assert not Worker.objects.exists()
    if not url.startswith("ftp"):
        add(wanted, "--force")
        assert Worker.objects.get().url == wanted


def test_machine_of_a_project_is_added_as_its_own(engine: str, acme: Project) -> None:
    add(f"{engine}/v1", "--project", acme.slug)

    worker = Worker.objects.get()
    assert (worker.project, worker.tiers) == (acme, [])


def test_answer_that_is_no_list_of_models_is_no_server() -> None:
    for body in (b"[]", b"{}", b'{"data": 1}', b'{"data": [1]}', b'{"data": [{"id": 5}]}', b"\xff"):
        assert asking._models(body) == ()
