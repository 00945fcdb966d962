"""What is guarded: the machine of ``make run`` serves through a link; a second joins beside it."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from tests.clock import Stopwatch
from tests.platform import ROOT, Platform, clean_environment

pytestmark = pytest.mark.slow  # the whole platform with its models, and programs beside it

MODEL = "second"
PATIENCE_S = 120
SHOWN_WITHIN_S = 5


def until(is_so: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + patience_s
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def run(platform: Platform, *argv: str, said: str = "") -> str:
    done = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, *argv],
        cwd=ROOT,
        env=dict(platform.settings),
        input=said,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def ask(platform: Platform, base: str, operation: str, **body: Any) -> httpx2.Response:
    key = {"Authorization": f"Bearer {platform.quickstart['OPENAI_API_KEY']}"}
    return httpx2.post(
        f"{base}/{operation}", json={"model": "any", **body}, headers=key, timeout=PATIENCE_S
    )


def chat(platform: Platform, base: str = "", text: str = "Hello") -> httpx2.Response:
    said = [{"role": "user", "content": text}]
    base = base or platform.quickstart["OPENAI_BASE_URL"]
    return ask(platform, base, "chat/completions", messages=said, max_tokens=20)


def post(platform: Platform, what: str, **said: Any) -> httpx2.Response:
    words = platform.quickstart
    return httpx2.post(
        f"{platform.url}/{words['XEROTIER_PROJECT']}/v1/management/{what}",
        json=said,
        headers={"Authorization": f"Bearer {words['XEROTIER_MANAGEMENT_KEY']}"},
        timeout=PATIENCE_S,
    )


def manage(platform: Platform, what: str, **said: Any) -> dict[str, Any]:
    answer = post(platform, what, **said)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def opens(platform: Platform, tried: list[httpx2.Response]) -> bool:
    """Try to open an endpoint on the second machine, and keep what was answered."""
    tried.append(post(platform, "endpoints", slug=MODEL, model=MODEL, tier="self_hosted"))
    assert tried[-1].status_code in {201, 409}, tried[-1].text
    return tried[-1].status_code == 201


def status_of_own_machine(platform: Platform) -> dict[str, Any]:
    argv = ["-m", "xim", "status", "--json", "--state", str(platform.home / "xim")]
    said: dict[str, Any] = json.loads(run(platform, *argv))
    return said


def child_of(platform: Platform, program: str) -> psutil.Process | None:
    children = psutil.Process(platform.supervisor.pid).children()
    return next((one for one in children if program in one.cmdline()), None)


def test_models_of_the_first_run_are_those_of_one_machine_with_a_link(platform: Platform) -> None:
    status = status_of_own_machine(platform)

    assert [one["live"] for one in status["links"]] == [True]
    assert {one["name"]: one["status"] for one in status["models"]} == {
        "smollm2-135m-instruct": "ready",
        "all-minilm-l6-v2": "ready",
    }
    before = status["ended"].get("done", 0)
    assert chat(platform).status_code == 200
    assert status_of_own_machine(platform)["ended"]["done"] > before


def test_every_operation_is_served_through_the_link(platform: Platform) -> None:
    talks, embeds = (
        platform.quickstart[name] for name in ("OPENAI_BASE_URL", "XEROTIER_EMBEDDINGS_URL")
    )
    asked: list[tuple[str, str, dict[str, Any]]] = [
        (talks, "completions", {"prompt": "Paris is", "max_tokens": 4}),
        (talks, "responses", {"input": "Hello", "max_output_tokens": 4}),
        (embeds, "embeddings", {"input": "Hello"}),
        (embeds, "score", {"text_1": "a cat", "text_2": "a dog"}),
        (embeds, "rerank", {"query": "a cat", "documents": ["a dog", "a car"]}),
    ]

    answers = {name: ask(platform, base, name, **body) for base, name, body in asked}

    assert {name: one.status_code for name, one in answers.items()} == dict.fromkeys(answers, 200)


def test_no_secret_of_the_machine_is_shown_to_others(platform: Platform) -> None:
    folder = platform.home / "xim"
    kept = json.loads((folder / "enrollment.json").read_text())
    secrets = [kept["token"], (folder / "key").read_text().strip()]
    agent = child_of(platform, "xim")
    logs = "\n".join(log.read_text(errors="replace") for log in platform.home.glob("logs/*.log"))

    assert agent is not None
    assert folder.stat().st_mode & 0o777 == 0o700
    assert all((folder / name).stat().st_mode & 0o777 == 0o600 for name in ("key", "lock"))
    shown = logs + platform.console + " ".join(agent.cmdline())
    assert not [secret for secret in secrets if secret in shown]
    assert "xjk_" not in shown


def test_machine_that_is_killed_is_back_by_itself(platform: Platform) -> None:
    agent = child_of(platform, "xim")
    assert agent is not None

    agent.kill()
    agent.wait(PATIENCE_S)

    until(lambda: chat(platform).status_code == 200)
    assert child_of(platform, "xim") != agent


def test_model_whose_engine_is_killed_is_refused_in_words_until_it_is_back(
    platform: Platform,
) -> None:
    engine = child_of(platform, "xim.bundled.chat")
    assert engine is not None
    codes: set[str] = set()

    def is_back() -> bool:
        answer = chat(platform)
        if answer.status_code != 200:
            codes.add(answer.json()["error"]["code"])
        return answer.status_code == 200

    engine.kill()
    engine.wait(PATIENCE_S)
    assert not is_back()
    embedded = ask(
        platform, platform.quickstart["XEROTIER_EMBEDDINGS_URL"], "embeddings", input="Hello"
    )
    until(is_back)

    assert embedded.status_code == 200
    assert codes <= {"endpoint_inactive", "upstream_error", "rate_limit_exceeded"}


class Person:
    """The operator, with a browser."""

    def __init__(self, platform: Platform) -> None:
        words = platform.quickstart
        self.web = httpx2.Client(base_url=platform.url, timeout=PATIENCE_S, follow_redirects=True)
        page = self.web.get("/auth/login")
        found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
        assert found is not None
        said = {
            "csrfmiddlewaretoken": found[1],
            "login": words["XEROTIER_OPERATOR_EMAIL"],
            "password": words["XEROTIER_OPERATOR_PASSWORD"],
        }
        answer = self.web.post("/auth/login", data=said, headers={"Referer": platform.url + "/"})
        assert answer.status_code == 200, answer.text[:500]
        self.machines = f"/dashboard/{words['XEROTIER_PROJECT']}/machines/"

    def sees(self, name: str) -> bool:
        page = self.web.get(self.machines)
        assert page.status_code == 200
        row = re.search(rf"<tr[^>]*>(?:(?!</tr>).)*{name}.*?</tr>", page.text, re.DOTALL)
        return row is not None and MODEL in row[0]


@pytest.fixture
def person(platform: Platform) -> Iterator[Person]:
    made = Person(platform)
    yield made
    made.web.close()


@contextmanager
def second_machine(platform: Platform, state: Path) -> Generator[None]:
    """Start a xim of somebody else's on this machine."""
    words = ["run", "--engine", "sim", "--sim-models", MODEL, "--sim-scale", "0.1"]
    argv = [sys.executable, "-m", "xim", *words, "--state", str(state)]
    running = subprocess.Popen(argv, env=clean_environment())  # noqa: S603 - our own words
    try:
        yield
    finally:
        running.terminate()
        running.wait(PATIENCE_S)


def test_second_machine_is_on_the_page_within_five_seconds_and_serves(
    platform: Platform, person: Person, tmp_path: Path
) -> None:
    run(platform, "manage.py", "models", "add", MODEL, "--task", "generate", "--size", "1")
    key = manage(platform, "join-keys", name=MODEL)["secret"]
    enroll = ["-m", "xim", "enroll", "--url", platform.url, "--join-key", "-", "--name", "shelf"]
    run(platform, *enroll, "--state", str(tmp_path), said=key)

    watch = Stopwatch()
    with second_machine(platform, tmp_path):
        until(lambda: person.sees("shelf"))
        shown_s = watch.seconds()
        # It may be opened once a gateway has probed the machine, which is up to two seconds later.
        opened: list[httpx2.Response] = []
        until(lambda: opens(platform, opened), SHOWN_WITHIN_S)
        answer = chat(platform, f"{platform.url}{opened[-1].json()['path']}", "What is this?")

    assert shown_s < SHOWN_WITHIN_S
    assert answer.status_code == 200, answer.text
    content = answer.json()["choices"][0]["message"]["content"]
    assert hashlib.sha256(b"What is this?").hexdigest()[:12] in content
