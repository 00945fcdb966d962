"""The programs of the platform besides its databases: how each is started."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from xerotier_site.embedded.knobs import Knobs
from xerotier_site.embedded.process import Command

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Part:
    """One program that is kept running; who ``serves_others`` stops after them."""

    name: str
    command: Command
    is_up: Callable[[], bool] | None = None
    serves_others: bool = False


def environment(home: Path) -> dict[str, str]:
    """Return what children are told: the rest they read in ``platform.env`` of this folder."""
    return {
        "XEROTIER_HOME": str(home),
        "DJANGO_SETTINGS_MODULE": "xerotier_site.settings",
        "PYTHONUNBUFFERED": "1",
    }


def _python(home: Path, *arguments: str) -> Command:
    return Command([sys.executable, *arguments], environment(home), folder=ROOT)


def server(knobs: Knobs, control_socket: Path, is_up: Callable[[], bool]) -> Part:
    """Return the gateway, which hands on to the control plane what is not inference."""
    where = ["--host", knobs.host, "--port", str(knobs.port), "--socket", str(control_socket)]
    command = _python(knobs.home, "-m", "xerotier_site.server", "--plane", *where)
    return Part("server", command, is_up)


def control(home: Path, control_socket: Path) -> Part:
    """Return the control plane: a process of its own, so that no page holds up a token."""
    where = ["--control", "--socket", str(control_socket)]
    return Part("control", _python(home, "-m", "xerotier_site.server", *where))


def consumer(home: Path) -> Part:
    """Return what takes usage in, and gives an empty Valkey its limits and money back."""
    return Part("consumer", _python(home, "manage.py", "usage_consumer"), serves_others=True)


def background(home: Path) -> list[Part]:
    """Return what works behind the scenes.

    Celery runs threads, not processes: a child of a child would survive a ``kill -9``.
    """
    celery = ["-m", "celery", "--quiet", "--app", "xerotier_site.celery"]
    quietly = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    return [
        Part(
            "worker",
            _python(home, *celery, "worker", "--pool=threads", "--concurrency=2", *quietly),
        ),
        Part(
            "beat",
            _python(
                home, *celery, "beat", f"--schedule={home / 'beat' / 'schedule'}", "--pidfile="
            ),
        ),
    ]


def chat(port: int, weights: Path, key_file: Path, is_up: Callable[[], bool]) -> Part:
    """Return the chat engine."""
    arguments = [f"--port={port}", f"--model={weights}", f"--api-key-file={key_file}"]
    return Part(
        "chat-model",
        _python(key_file.parent, "-m", "xim.bundled.chat", *arguments),
        is_up,
        serves_others=True,
    )


def embed(port: int, tokenizer: Path, key_file: Path, is_up: Callable[[], bool]) -> Part:
    """Return the embedding engine."""
    arguments = [f"--port={port}", f"--tokenizer={tokenizer}", f"--api-key-file={key_file}"]
    return Part(
        "embedding-model",
        _python(key_file.parent, "-m", "xim.bundled.embed", *arguments),
        is_up,
        serves_others=True,
    )
