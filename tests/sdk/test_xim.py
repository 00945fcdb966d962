"""A machine joins the platform that runs here as any other would, and serves."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from tests.platform import ROOT, Platform, clean_environment

pytestmark = pytest.mark.sdk

MODEL = "joined"
PATIENCE_S = 60
REVOKED = 77


class Machine:
    """What its owner types on it, and asks the platform about it."""

    def __init__(self, platform: Platform, state: Path) -> None:
        self.platform, self.state = platform, state
        words = platform.quickstart
        self.base = f"{platform.url}/{words['XEROTIER_PROJECT']}"
        keys = {"Authorization": f"Bearer {words['XEROTIER_MANAGEMENT_KEY']}"}
        self.api = httpx2.Client(base_url=f"{self.base}/v1/management", headers=keys, timeout=30)

    def argv(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "xim", *words, "--state", str(self.state)]

    def xim(self, *words: str, said: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - our own words
            self.argv(*words),
            input=said,
            env=clean_environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self.api.post(path, json=body)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def agents(self) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = self.api.get("/agents").json()["data"]
        return listed


def until(is_so: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture
def machine(platform: Platform, tmp_path: Path) -> Iterator[Machine]:
    made = Machine(platform, tmp_path)
    with made.api:
        yield made


def add_model(platform: Platform) -> None:
    argv = [sys.executable, "manage.py", "models", "add", MODEL]
    subprocess.run(  # noqa: S603 - our own words
        [*argv, "--task", "generate", "--context", "32768", "--size", "1"],
        cwd=ROOT,
        env=platform.settings,
        check=False,  # Another test may have added it.
        capture_output=True,
    )


@contextmanager
def serving(machine: Machine) -> Generator[subprocess.Popen[bytes]]:
    """Let the machine run with a simulated engine, until its model is on offer."""
    run = machine.argv("run", "--engine", "sim", "--sim-models", MODEL, "--sim-scale", "0.1")
    running = subprocess.Popen(run, env=clean_environment())  # noqa: S603 - our own words
    try:
        until(
            lambda: [one for found in machine.agents() for one in found["models"] if one["worker"]]
        )
        yield running
    finally:
        running.kill()
        running.wait()


def join(machine: Machine) -> tuple[str, str]:
    """Let the machine join; return its join key and what it said."""
    key = machine.post("/join-keys", {"name": machine.state.name})["secret"]
    joined = machine.xim("enroll", "--url", machine.platform.url, "--join-key", "-", said=key)
    assert joined.returncode == 0, joined.stderr
    return key, joined.stdout


def test_machine_joins_serves_an_endpoint_and_leaves(machine: Machine) -> None:
    add_model(machine.platform)
    key, told = join(machine)
    with serving(machine) as running:
        machine.post("/endpoints", {"slug": "joined", "model": MODEL, "tier": "self_hosted"})
        said = streamed(machine, "What is this?", "joined")
        [listed] = machine.agents()
        drained = machine.xim("drain")
        ended = running.wait(PATIENCE_S)
    again = machine.xim("enroll", "--url", machine.platform.url, "--join-key", "-", said=key)
    left = machine.xim("leave")

    assert hashlib.sha256(b"What is this?").hexdigest()[:12] in said
    assert listed["fingerprint"] in told
    assert (listed["state"], listed["engine"]) == ("active", "sim")
    assert (drained.returncode, ended, again.returncode, left.returncode) == (0, 0, 78, 0)
    assert machine.agents() == []


def test_revoked_machine_ends_and_serves_nothing_more(machine: Machine) -> None:
    add_model(machine.platform)
    join(machine)
    with serving(machine) as running:
        machine.post("/endpoints", {"slug": "revoked", "model": MODEL, "tier": "self_hosted"})
        assert streamed(machine, "Before", "revoked")
        [listed] = machine.agents()

        assert machine.api.delete(f"/agents/{listed['id']}").status_code == 204

        assert running.wait(PATIENCE_S) == REVOKED
    with pytest.raises(openai.InternalServerError):
        streamed(machine, "After", "revoked")
    assert machine.agents() == []


def streamed(machine: Machine, text: str, slug: str) -> str:
    """Ask by the official SDK."""
    client = openai.OpenAI(
        base_url=f"{machine.base}/{slug}/v1",
        api_key=machine.platform.quickstart["OPENAI_API_KEY"],
        timeout=PATIENCE_S,
        max_retries=0,
    )
    stream = client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": text}], max_tokens=40, stream=True
    )
    return "".join(one.choices[0].delta.content or "" for one in stream if one.choices)


def test_join_key_of_nobody_is_refused_in_one_sentence(machine: Machine) -> None:
    key = "xjk_demo_" + "0" * 49

    refused = machine.xim("enroll", "--url", machine.platform.url, "--join-key", "-", said=key)

    assert refused.returncode == 65
    assert refused.stderr.startswith("xim: The platform does not know this join key")
    assert refused.stderr.count("\n") == 1
    assert [file.name for file in machine.state.iterdir()] == ["lock"]
