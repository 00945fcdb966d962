"""What a caller gets is what the engine said, byte for byte, apart from the documented splices.

Two runs of an engine never match, so one run is recorded between gateway and engine.
"""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.platform import Platform
from tests.sdk.recorder import Recorder

pytestmark = pytest.mark.sdk

ROOT = Path(__file__).parents[2]
USAGE = b'"stream_options":{"include_usage":true}'
ADD_MODEL = """
from catalog.services import add_model
add_model(name="recorded", said={"title": "Recorded", "task": "generate"})
"""
MESSAGES = '"messages": [{"role": "user", "content": "Name three colours, ünïcödé ones too."}]'


@dataclass(frozen=True)
class Endpoint:
    """An endpoint whose only worker is the recorder."""

    url: str
    key: str
    recorder: Recorder

    def ask(self, body: bytes) -> bytes:
        """Post a completion and return the whole body of the answer."""
        self.recorder.clear()
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.url, body, headers)  # noqa: S310 - loopback
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - loopback
            whole: bytes = answer.read()
        return whole


@pytest.fixture(scope="module")
def endpoint(platform: Platform) -> Iterator[Endpoint]:
    recorder = Recorder("127.0.0.1", _engine_port(platform))
    _manage(platform, ["shell", "-c", ADD_MODEL])
    address = f"http://127.0.0.1:{recorder.port}/v1"
    key = (platform.home / "engine.key").read_text().strip()
    options = ["--model", "recorded", "--key-from-stdin"]
    options += ["--tier", "cpu_amd_optimized", "--force"]
    _manage(platform, ["backend", "add", address, *options], said=key)
    path = _open_endpoint(platform)
    env = platform.quickstart
    yield Endpoint(f"{env['XEROTIER_URL']}{path}/chat/completions", env["OPENAI_API_KEY"], recorder)
    recorder.close()


@pytest.mark.parametrize(
    "stream_field", [b"", b'"stream": true, "stream_options": {"include_usage": true}, ']
)
def test_answer_and_question_pass_unchanged(endpoint: Endpoint, stream_field: bytes) -> None:
    body = b'{  "model":"x",' + stream_field + f'"max_tokens": 12, {MESSAGES}  }}'.encode()

    answer = endpoint.ask(body)

    asked, answered = endpoint.recorder.last()
    assert asked.body == body
    assert answer == answered.body
    assert b'"usage"' in answer


def test_only_the_usage_nobody_asked_for_is_added_and_taken_away(endpoint: Endpoint) -> None:
    body = f'{{"model": "x", "stream": true, "max_tokens": 12, {MESSAGES}}}'.encode()

    answer = endpoint.ask(body)

    asked, answered = endpoint.recorder.last()
    assert json.loads(asked.body) == {
        **json.loads(body),
        "stream_options": {"include_usage": True},
    }
    assert _without_splice(asked.body) == body
    [usage] = [event for event in _events(answered.body) if b'"choices":[]' in event]
    before, after = answered.body.split(usage)
    assert answer.startswith(before)
    assert answer.endswith(after)
    # What the engine put beside its usage is the caller's: it would have come without, too.
    beside = json.loads(answer[len(before) : -len(after)].removeprefix(b"data: "))
    del beside["choices"]
    said = json.loads(usage.removeprefix(b"data: "))
    del said["choices"], said["usage"]
    assert beside == said
    assert "timings" in beside


def test_callers_key_is_never_forwarded(endpoint: Endpoint) -> None:
    endpoint.ask(f'{{"model": "x", "max_tokens": 1, {MESSAGES}}}'.encode())

    asked, _ = endpoint.recorder.last()
    assert endpoint.key.encode() not in asked.head
    assert b"accept-encoding: identity" in asked.head.lower()


def _events(stream: bytes) -> list[bytes]:
    return [event + b"\n\n" for event in stream.split(b"\n\n") if event]


def _without_splice(body: bytes) -> bytes:
    for comma in (b"," + USAGE, USAGE + b","):
        if comma in body:
            return body.replace(comma, b"")
    raise AssertionError(body)


def _engine_port(platform: Platform) -> int:
    for child in psutil.Process(platform.supervisor.pid).children():
        words = child.cmdline()
        if "xim.bundled.chat" in words:
            return next(int(word[7:]) for word in words if word.startswith("--port="))
    raise AssertionError("the chat model does not run")


def _manage(platform: Platform, words: list[str], *, said: str = "") -> str:
    ran = subprocess.run(  # noqa: S603 - our own commands
        [sys.executable, "manage.py", *words],
        cwd=ROOT,
        env=dict(platform.settings),
        input=said,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def _open_endpoint(platform: Platform) -> str:
    env = platform.quickstart
    body = {"slug": "recorded", "model": "recorded", "tier": "cpu_amd_optimized"}
    request = urllib.request.Request(  # noqa: S310 - our own loopback address
        f"{env['XEROTIER_URL']}/{env['XEROTIER_PROJECT']}/v1/management/endpoints",
        json.dumps(body).encode(),
        {
            "Authorization": f"Bearer {env['XEROTIER_MANAGEMENT_KEY']}",
            "Content-Type": "application/json",
        },
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        path: str = json.load(answer)["path"]
    return path
