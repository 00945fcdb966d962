"""What is guarded: a platform's whole life, from its first start to a ``kill -9``."""

from __future__ import annotations

import signal
import stat
import subprocess
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx2
import psutil
import pytest

from tests.platform import new_home, start
from tests.run.test_faults import assert_one_sentence, attempt

pytestmark = [
    pytest.mark.slow,  # three real starts, one after the other, in whichever test comes first
    pytest.mark.timeout(300),
]

NAMES = {
    "XEROTIER_URL",
    "XEROTIER_OPERATOR_EMAIL",
    "XEROTIER_OPERATOR_PASSWORD",
    "XEROTIER_PROJECT",
    "XEROTIER_TIER",
    "XEROTIER_ENDPOINT",
    "OPENAI_BASE_URL",
    "OPENAI_API_KEY",
    "XEROTIER_EMBEDDINGS_URL",
    "XEROTIER_MANAGEMENT_KEY",
}


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of the platform showed."""

    url: str
    console: str
    quickstart: Mapping[str, str]
    families: list[psutil.Process]
    spent_s: float
    stop_s: float
    exit_code: int
    key_status: int
    rival: subprocess.CompletedProcess[str]


def live(home: Path, farewell: signal.Signals, **knobs: str) -> Run:
    """Run the platform once, look at it, and end it by a signal."""
    platform = start(home, with_models=False, **knobs)
    spent_s = spent_by(psutil.Process(platform.supervisor.pid))
    families = psutil.Process(platform.supervisor.pid).children(recursive=True)
    models = httpx2.get(
        f"{platform.quickstart['OPENAI_BASE_URL']}/models",
        headers={"Authorization": f"Bearer {platform.quickstart['OPENAI_API_KEY']}"},
        timeout=20,
    )
    rival = attempt({"XEROTIER_HOME": str(home)})
    begun = time.monotonic()
    exit_code = platform.stop(farewell)
    return Run(
        platform.url,
        platform.console,
        platform.quickstart,
        families,
        spent_s,
        time.monotonic() - begun,
        exit_code,
        models.status_code,
        rival,
    )


def spent_by(supervisor: psutil.Process) -> float:
    """Return the processor seconds of a process, its children, and those that have ended."""
    times = [one.cpu_times() for one in [supervisor, *supervisor.children(recursive=True)]]
    ended = times[0].children_user + times[0].children_system
    return float(ended + sum(one.user + one.system for one in times))


@pytest.fixture(scope="module")
def home() -> Generator[Path]:
    with new_home() as folder:
        yield folder


@pytest.fixture(scope="module")
def first(home: Path) -> Run:
    return live(home, signal.SIGTERM)


@pytest.fixture(scope="module")
def second(home: Path, first: Run) -> Run:
    return live(home, signal.SIGKILL)


def left_over(run: Run) -> list[psutil.Process]:
    """Return who is still alive, after a moment for those already dying."""
    _, alive = psutil.wait_procs(run.families, timeout=5)
    return [one for one in alive if one.status() != psutil.STATUS_ZOMBIE]


def test_first_run_shows_the_sign_in_once(first: Run, second: Run) -> None:
    password = first.quickstart["XEROTIER_OPERATOR_PASSWORD"]

    assert first.key_status == 200
    assert first.url in first.console
    assert first.console.count(password) == 1
    assert password not in second.console
    assert first.quickstart["OPENAI_API_KEY"] not in second.console


def test_quickstart_file_has_its_names_and_is_private(home: Path, first: Run) -> None:
    file = home / "quickstart.env"

    assert set(first.quickstart) == NAMES
    assert all(first.quickstart.values())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    shell = subprocess.run(  # noqa: S603 - our own words
        ["/bin/sh", "-c", f'. "{file}"; printf %s "$OPENAI_API_KEY"'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shell.stdout == first.quickstart["OPENAI_API_KEY"]


def test_other_secrets_are_private_too(home: Path, first: Run) -> None:
    assert first.exit_code == 0
    for name in ("platform.env", "secrets.env", "engine.key"):
        file = home / name
        assert not file.exists() or stat.S_IMODE(file.stat().st_mode) == 0o600


def test_sigterm_ends_everything_within_ten_seconds(first: Run) -> None:
    assert first.exit_code == 0
    assert first.stop_s < 10
    assert len(first.families) > 5
    assert left_over(first) == []


def test_second_platform_on_the_same_folder_is_refused(first: Run) -> None:
    assert_one_sentence(first.rival, "already runs")


def test_second_run_keeps_everything_but_the_address(first: Run, second: Run) -> None:
    addresses = {"XEROTIER_URL", "OPENAI_BASE_URL", "XEROTIER_EMBEDDINGS_URL"}

    assert second.key_status == 200
    for name in NAMES - addresses:
        assert second.quickstart[name] == first.quickstart[name]
    for name in addresses:
        assert second.quickstart[name] == first.quickstart[name].replace(first.url, second.url)


def test_second_run_costs_less_than_twenty_seconds_until_ready(second: Run) -> None:
    # Processor time, not the clock: on a machine with nothing else to do it is the longer.
    assert second.spent_s < 20


def test_kill_of_the_supervisor_leaves_no_process(second: Run) -> None:
    assert second.exit_code == -signal.SIGKILL
    assert len(second.families) > 5
    assert left_over(second) == []


@pytest.fixture(scope="module")
def third(home: Path, second: Run) -> Run:
    """Start after the kill, with models that cannot be fetched."""
    return live(home, signal.SIGINT, XEROTIER_MODEL="1", PIP_NO_INDEX="1", PIP_FIND_LINKS="")


def test_next_start_after_a_kill_finds_the_data_whole(second: Run, third: Run) -> None:
    assert third.key_status == 200
    assert third.quickstart["OPENAI_API_KEY"] == second.quickstart["OPENAI_API_KEY"]


def test_ctrl_c_is_as_good_as_sigterm(third: Run) -> None:
    assert third.exit_code == 0
    assert third.stop_s < 10
    assert left_over(third) == []


def test_platform_starts_without_weights_and_says_so(third: Run) -> None:
    assert "Missing: smollm2-135m-instruct cannot be fetched" in third.console
    assert "Missing: all-minilm-l6-v2 tokenizer cannot be fetched" in third.console
    assert "Ask the model" not in third.console
