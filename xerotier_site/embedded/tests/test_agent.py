"""What is guarded: the platform's own machine is up when it has a link and has seen the engines."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xerotier_site.embedded import agent
from xerotier_site.embedded.agent import Served, is_up
from xerotier_site.embedded.parts import Part
from xerotier_site.embedded.process import Command


def served(model: str, is_there: Callable[[], bool] | None = None) -> Served:
    return Served(Part(model, Command([]), is_there), "openai", f"http://127.0.0.1/{model}", model)


def answering(folder: Path, said: dict[str, Any]) -> None:
    """Be a xim that says this once."""
    port = socket.socket(socket.AF_UNIX)
    port.bind(str(folder / "xim.sock"))
    port.listen()

    def answer() -> None:
        wire, _ = port.accept()
        with port, wire:
            wire.recv(100)
            wire.sendall(json.dumps(said).encode() + b"\n")

    threading.Thread(target=answer, daemon=True).start()


def status(*models: str, live: bool = True) -> dict[str, Any]:
    known = [{"name": name, "status": "ready"} for name in models]
    return {"links": [{"live": live}], "models": [*known, {"name": "x", "status": "loading"}]}


@pytest.mark.parametrize(
    ("said", "engines", "expected"),
    [
        (status("a", "b"), [served("a"), served("b")], True),
        (status("a", live=False), [served("a")], False),
        (status("a"), [served("a"), served("x")], False),
        (status("a"), [served("a"), served("b", lambda: False)], True),
        (status("a") | {"links": []}, [served("a")], False),
    ],
    ids=["all seen", "no link yet", "still loads", "an engine that is down", "not dialled"],
)
def test_machine_is_up_when_callers_are_served(
    tmp_path: Path, said: dict[str, Any], engines: list[Served], *, expected: bool
) -> None:
    answering(tmp_path, said)

    assert is_up(tmp_path, engines) is expected


def test_machine_that_does_not_run_is_not_up(tmp_path: Path) -> None:
    assert not is_up(tmp_path, [served("a")])


def test_machine_serves_every_engine_and_heeds_no_option_or_proxy_of_a_persons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XEROTIER_AGENT_SLOTS", "1")

    command = agent.part(tmp_path, [served("a"), served("b")], tmp_path / "key").command

    words = list(command.argv)
    engines = words[words.index("--engine") + 1]
    assert engines == "openai=http://127.0.0.1/a,openai=http://127.0.0.1/b"
    assert command.environment["XEROTIER_AGENT_SLOTS"] == ""
    assert command.environment["no_proxy"] == "*"
