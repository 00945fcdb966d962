"""The whole platform as ``make run`` starts it, for tests that meet it as people do.

One for a test session: every test that asks for it goes to the same xdist worker
(see ``tests.scheduling``).
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.models import model_folder
from xerotier_site.embedded import envfile
from xerotier_site.embedded.launch import free_port
from xerotier_site.embedded.process import inherited, leash

ROOT = Path(__file__).parents[1]
LAST_LINE = "Ctrl-C stops everything."
PATIENCE_S = 300
"""Against what hangs for ever, and no measure: on a machine with ten times its work a start, with
both models, took over 90 s (10 s else). No longer than a test may take at all."""


@dataclass(frozen=True, slots=True)
class Platform:
    """A supervisor and where its platform is."""

    url: str
    home: Path
    supervisor: subprocess.Popen[bytes]

    @property
    def console(self) -> str:
        """Return all that was said on the console so far, mail included."""
        return console_of(self.home).read_text()

    @property
    def quickstart(self) -> Mapping[str, str]:
        """Return what ``quickstart.env`` says: addresses, keys, the operator's sign-in."""
        return envfile.read(self.home / "quickstart.env")

    @property
    def settings(self) -> Mapping[str, str]:
        """Return the environment under which ``manage.py`` meets this platform."""
        return {**clean_environment(), "XEROTIER_HOME": str(self.home)}

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Stop it and wait; return its exit code."""
        self.supervisor.send_signal(how)
        return self.supervisor.wait(15)


def clean_environment() -> dict[str, str]:
    """Return the environment without what the test run itself was told."""
    ours = ("XEROTIER_", "DATABASE_URL", "VALKEY_URL", "DJANGO_", "PYTEST_", "MAKE")
    return {name: value for name, value in inherited().items() if not name.startswith(ours)}


def console_of(home: Path) -> Path:
    """Return the file that stands for the terminal."""
    return home.with_name(f"{home.name}.console")


def start(home: Path, *, with_models: bool, **knobs: str) -> Platform:
    """Start a platform on a free port and wait for its banner."""
    port = knobs.get("PORT") or str(free_port())
    environment = {
        **clean_environment(),
        "XEROTIER_HOME": str(home),
        "XEROTIER_MODEL": "1" if with_models else "0",
        **knobs,
        "PORT": port,
    }
    if with_models:
        home.mkdir(mode=0o711, exist_ok=True)
        if not (home / "models").exists():
            (home / "models").symlink_to(model_folder())
    with console_of(home).open("wb") as console:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "xerotier_site.embedded"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.STDOUT,
            process_group=0,
            preexec_fn=leash(signal.SIGTERM),  # noqa: PLW1509 - see xerotier_site.embedded.process
        )
    platform = Platform(f"http://localhost:{port}", home, supervisor)
    _wait_for_banner(platform)
    return platform


def _wait_for_banner(platform: Platform) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while LAST_LINE not in platform.console:
        if platform.supervisor.poll() is not None or time.monotonic() > deadline:
            platform.supervisor.kill()
            pytest.fail(f"The platform did not start. It said:\n{platform.console}")
        time.sleep(0.05)


@contextmanager
def new_home() -> Generator[Path]:
    """Lend a folder for a platform that the databases' user can walk down to.

    Pytest's own temporary folders are closed to others, and as root we give our servers away.
    """
    with tempfile.TemporaryDirectory(prefix="xt-run-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        yield Path(folder) / "home"


@pytest.fixture(scope="session")
def platform() -> Generator[Platform]:
    """Hand out a running platform with both models; whoever needs quiet opens a project."""
    with new_home() as home:
        # One address of this machine is somebody else's, as far as tenants' URLs go.
        running = start(home, with_models=True, XEROTIER_OUTGOING_ALLOW="127.0.0.2/32")
        yield running
        running.stop()
