"""``xim run`` as a part: the platform's own machine, which serves the engines through a link."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from xerotier_site.embedded.parts import ROOT, Part
from xerotier_site.embedded.process import Command, inherited
from xim.agent import socket
from xim.engines.seen import READY
from xim.faults import Stop

NAME = "agent"
SLOTS = 32
"""Requests that an engine is given at once: more than it computes at once, so that some wait in
the engine. Where there is no other machine the alternative is to refuse them."""


@dataclass(frozen=True, slots=True)
class Served:
    """An engine that was started: what kind of part it is, where it listens, and its model."""

    part: Part
    kind: str
    url: str
    model: str


def part(folder: Path, served: Sequence[Served], key_file: Path) -> Part:
    """Return the machine of this state folder, before these engines."""
    engines = ",".join(f"{one.kind}={one.url}" for one in served)
    argv = [sys.executable, "-m", "xim", "run", "--state", str(folder), "--engine", engines]
    argv += ["--engine-key-file", str(key_file), "--slots", str(SLOTS)]
    command = Command(argv, _environment(), folder=ROOT)
    return Part(NAME, command, lambda: is_up(folder, served), serves_others=True)


def _environment() -> dict[str, str]:
    # What a person set for a xim of their own is not for this one, and neither is a proxy.
    others = dict.fromkeys((name for name in inherited() if name.startswith("XEROTIER_AGENT_")), "")
    return {**others, "PYTHONUNBUFFERED": "1", "no_proxy": "*", "NO_PROXY": "*"}


def is_up(folder: Path, served: Sequence[Served]) -> bool:
    """Say whether it has a link, and has seen every engine that is up."""
    try:
        said = socket.ask(folder / "xim.sock", "status")
    except Stop:
        return False
    ready = {one["name"] for one in said["models"] if one["status"] == READY}
    wanted = {one.model for one in served if one.part.is_up is None or one.part.is_up()}
    return any(link["live"] for link in said["links"]) and wanted <= ready
