"""What is guarded: what happens before anything is installed, and what make offers."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.platform import ROOT, clean_environment
from xerotier_site.embedded import environment

MAKE = shutil.which("make") or ""
pytestmark = pytest.mark.skipif(not MAKE, reason="make is not installed.")

OLD_PYTHON = """#!/bin/sh
case "$1" in
  --version) echo "Python 3.9.2" ;;
  *) exit 1 ;;
esac
"""


def make(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own words
        [MAKE, *words],
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_python_that_is_too_old_is_one_sentence(tmp_path: Path) -> None:
    old = tmp_path / "python3.9"
    old.write_text(OLD_PYTHON)
    old.chmod(0o755)

    outcome = make("run", f"PYTHON={old}")

    assert outcome.returncode != 0
    ours = [line for line in outcome.stderr.splitlines() if not line.startswith("make: ***")]
    assert len(ours) == 1
    assert "needs Python 3.11 or newer; Python 3.9.2 is too old" in ours[0]


def test_python_that_is_not_there_is_one_sentence() -> None:
    outcome = make("run", "PYTHON=/no/such/python")

    assert outcome.returncode != 0
    ours = [line for line in outcome.stderr.splitlines() if not line.startswith("make: ***")]
    assert ours == ["Xerotier needs Python 3.11 or newer; there is no /no/such/python."]


def test_help_lists_every_target() -> None:
    offered = set(re.findall(r"^  make ([\w-]+)", make("help").stdout, re.MULTILINE))

    users = {"help", "run", "test", "fuzz", "check", "fmt", "lock", "clean"}
    builders = {"compiled", "test-compiled", "bench", "soak", "chaos", "pairs", "clients"}
    builders |= {"mutants", "bench-routing"}
    assert offered == users | builders


def test_python_without_venv_is_one_sentence() -> None:
    script = (
        "import sys, importlib.util as u\n"
        "u.find_spec = lambda name: None\n"
        "sys.path.insert(0, 'xerotier_site/embedded')\n"
        "import environment\n"
        "environment.main()\n"
    )
    outcome = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert outcome.returncode == 1
    assert len(outcome.stderr.splitlines()) == 1
    assert "no venv module" in outcome.stderr
    assert "python3-venv" in outcome.stderr


def test_installer_is_pinned_and_hashed() -> None:
    lines = environment.lines_of("uv", "requirements-dev.txt").splitlines()

    assert re.match(r"uv==[\d.]+ \\$", lines[0])
    assert len(lines) > 1
    assert all("--hash=sha256:" in line for line in lines[1:])
    assert not lines[-1].endswith("\\")


def test_environment_is_made_anew_when_the_pins_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    (tmp_path / "requirements.txt").write_text("a==1")
    before = environment.mark_of(["requirements.txt"])
    assert environment.mark_of(["requirements.txt"]) == before

    (tmp_path / "requirements.txt").write_text("a==2")

    assert environment.mark_of(["requirements.txt"]) != before
