"""What is guarded: a start that cannot work ends at once, in one sentence, and not as success."""

from __future__ import annotations

import resource
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.platform import ROOT, clean_environment, new_home
from xerotier_site.embedded.launch import free_port


def attempt(
    knobs: dict[str, str], before: Callable[[], None] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "xerotier_site.embedded"],
        cwd=ROOT,
        env={**clean_environment(), "PORT": str(free_port()), **knobs},
        preexec_fn=before,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def assert_one_sentence(outcome: subprocess.CompletedProcess[str], *words: str) -> None:
    assert outcome.returncode == 1
    assert len(outcome.stderr.strip().splitlines()) == 1
    for word in words:
        assert word in outcome.stderr


def test_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])

        outcome = attempt({"PORT": port, "XEROTIER_HOME": str(tmp_path / "home")})

    assert_one_sentence(outcome, port, "make run PORT=")
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("port", ["eighty", "0", "70000"])
def test_port_that_is_none(port: str, tmp_path: Path) -> None:
    outcome = attempt({"PORT": port, "XEROTIER_HOME": str(tmp_path / "home")})

    assert_one_sentence(outcome, "PORT", port)


# Root may write everywhere but in a kernel's file system, and only Linux has this one.
@pytest.mark.skipif(sys.platform != "linux", reason="Uses a folder that only Linux has.")
def test_data_folder_that_nobody_may_write() -> None:
    assert_one_sentence(attempt({"XEROTIER_HOME": "/sys/xerotier"}), "/sys/xerotier", "cannot")


def test_data_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("in the way")

    outcome = attempt({"XEROTIER_HOME": str(tmp_path / "home")})

    assert_one_sentence(outcome, str(tmp_path / "home"), "must be a folder")
    assert (tmp_path / "home").read_text() == "in the way"


def test_disk_that_takes_no_more_bytes(tmp_path: Path) -> None:
    def take_nothing() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    outcome = attempt({"XEROTIER_HOME": str(tmp_path / "home")}, take_nothing)

    assert_one_sentence(outcome, "disk", "full")


def test_secrets_that_are_lost_while_the_data_is_there() -> None:
    with new_home() as home:
        (home / "postgres" / "18").mkdir(parents=True)

        outcome = attempt({"XEROTIER_HOME": str(home)})

    assert_one_sentence(outcome, "secrets.env is missing")
