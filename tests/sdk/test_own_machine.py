"""A machine that dialled out serves its project by the official SDK, until its owner revokes it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from openai import OpenAI

from tests.platform import Platform

pytestmark = pytest.mark.sdk

MODEL = "smollm2-135m-instruct"
REVOKED = 77
PATIENCE_S = 60.0


class Owner:
    """Asks the management API as the project of the first run."""

    def __init__(self, platform: Platform) -> None:
        env = platform.quickstart
        self.url = env["XEROTIER_URL"]
        self.base = f"{self.url}/{env['XEROTIER_PROJECT']}"
        self.key = env["OPENAI_API_KEY"]
        headers = {"authorization": f"Bearer {env['XEROTIER_MANAGEMENT_KEY']}"}
        self.http = httpx2.Client(
            base_url=f"{self.base}/v1/management/", headers=headers, timeout=30
        )

    def ask(self, method: str, path: str, **body: Any) -> Any:
        """Send one request and return what came; anything but success is a fault."""
        answer = self.http.request(method, path, json=body or None)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None


@pytest.fixture(scope="module")
def owner(platform: Platform) -> Iterator[Owner]:
    made = Owner(platform)
    yield made
    made.http.close()


@pytest.fixture(scope="module")
def machine(
    owner: Owner, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[subprocess.Popen[bytes]]:
    """Hand out a machine that joined as the page says, with a simulated engine."""
    state = tmp_path_factory.mktemp("machine")
    secret = owner.ask("POST", "join-keys", name="sdk")["secret"]
    joined = xim(state, "enroll", "--url", owner.url, "--join-key", secret, "--name", "second")
    assert joined.wait(PATIENCE_S) == 0
    running = xim(state, "run", "--engine", "sim", "--sim-models", MODEL)
    wait_until(lambda: [one["state"] for one in agents(owner)] == ["active"])
    wait_until(lambda: any(one["models"] for one in agents(owner)))
    owner.ask("POST", "endpoints", slug="mine", model=MODEL, tier="self_hosted")
    yield running
    running.terminate()
    running.wait(PATIENCE_S)


def xim(state: Path, *words: str) -> subprocess.Popen[bytes]:
    """Start the program of a machine."""
    program = Path(sys.executable).with_name("xim")
    return subprocess.Popen([program, *words, "--state", state])  # noqa: S603 - our own words


def agents(owner: Owner) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = owner.ask("GET", "agents")["data"]
    return found


def wait_until(is_so: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture
def client(owner: Owner) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{owner.base}/mine/v1", api_key=owner.key, max_retries=0) as made:
        yield made


def test_own_machine_streams_by_the_official_sdk_until_it_is_revoked(
    machine: subprocess.Popen[bytes], owner: Owner, client: OpenAI
) -> None:
    whole = client.chat.completions.create(
        model="any", messages=[{"role": "user", "content": "a b c"}], max_tokens=32
    )
    chunks = list(
        client.chat.completions.create(
            model="any",
            messages=[{"role": "user", "content": "d e f"}],
            max_tokens=32,
            stream=True,
            stream_options={"include_usage": True},
        )
    )

    assert "a b c" in (whole.choices[0].message.content or "")
    words = "".join(one.choices[0].delta.content or "" for one in chunks if one.choices)
    assert "d e f" in words
    assert len(chunks) > 10
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 32

    [agent] = agents(owner)
    owner.ask("DELETE", f"agents/{agent['id']}")

    assert machine.wait(PATIENCE_S) == REVOKED
    with pytest.raises(openai.InternalServerError):
        client.chat.completions.create(model="any", messages=[{"role": "user", "content": "x"}])
    assert agents(owner) == []
