"""``xim status`` and ``xim drain``: asking the xim that runs."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from xim.agent import socket
from xim.faults import DONE, UNREACHABLE, Stop
from xim.state import State

POLL_S = 0.2


def status(said: argparse.Namespace) -> int:
    """Say how the machine is enrolled and, if it runs, how it is doing."""
    state = State(Path(said.state).expanduser())
    identity, enrollment = state.enrolled()
    known = {
        "agent": enrollment.agent,
        "name": enrollment.name,
        "url": enrollment.url,
        "project": enrollment.project or None,
        "fingerprint": identity.fingerprint,
        "running": False,
    }
    code = DONE
    try:
        known |= socket.ask(state.socket, "status")
    except Stop:
        code = UNREACHABLE
    lines = lines_of(known, state.run_command)
    sys.stdout.write(json.dumps(known, indent=1) + "\n" if said.json else lines)
    return code


def lines_of(known: dict[str, Any], start: str) -> str:
    """Return a status as a person reads it; ``start`` is what starts a xim that does not run."""
    whose = f"project {known['project']}" if known["project"] else "shared"
    lines = [f"{known['name']} ({known['agent']}), {whose}, at {known['url']}"]
    lines.append(f"key        {known['fingerprint']}")
    if not known["running"]:
        return "\n".join([*lines, f"xim does not run: start it by {start}"]) + "\n"
    live = sum(link["live"] for link in known["links"])
    lines.append(f"links      {live} live; {known['connection']}")
    lines.append(f"state      {known['state'] or 'not told yet'}{_drains(known)}")
    lines.append(f"requests   {known['requests']} of {known['slots']}")
    lines += [f"engine     {one['kind']} {one['trouble'] or 'answers'}" for one in known["engines"]]
    lines += [f"model      {one['name']}: {one['status']}" for one in known["models"]]
    return "\n".join(lines) + "\n"


def _drains(known: dict[str, Any]) -> str:
    return ", draining" if known["draining"] else ""


def drain(said: argparse.Namespace) -> int:
    """Have the xim that runs finish its work and stop; wait until it has."""
    state = State(Path(said.state).expanduser())
    said_so = socket.ask(state.socket, "drain")
    sys.stdout.write(f"Draining; {said_so['requests']} requests still run.\n")
    sys.stdout.flush()
    while _runs(state):
        time.sleep(POLL_S)
    sys.stdout.write("Done: xim has stopped.\n")
    return DONE


def _runs(state: State) -> bool:
    try:
        socket.ask(state.socket, "status")
    except Stop:
        return False
    return True
