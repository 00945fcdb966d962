"""``xim enroll`` and ``xim leave``."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from xim.control import address, joining, trust
from xim.control.api import Platform, Refused
from xim.faults import DONE, NOT_ENROLLED, UNREACHABLE, USAGE, Stop
from xim.state import Enrollment, State

CLOCK_S = 300


def enroll(said: argparse.Namespace) -> int:
    """Join a platform; what fails leaves the machine as it was."""
    state = State(Path(said.state).expanduser())
    if not said.url:
        raise Stop("--url is missing: the platform's address, as https://xerotier.example.com.")
    url = address.read_url(said.url)
    name = address.read_name(said.name) if said.name else ""
    pin = trust.read_pin(said.ca_sha256) if said.ca_sha256 else ""
    join_key = address.read_join_key(_join_key(said))
    with state.lock():
        _check_fresh(state)
        if address.is_readable_on_the_way(url):
            sys.stderr.write(f"{url} is not encrypted: others on the way can read everything.\n")
        ca_pem = trust.pinned(url, pin) if pin else ""
        platform = Platform(url, trust.context_of(ca_pem), time.time)
        enrolled = joining.join(state, platform, join_key, name, ca_pem)
    sys.stdout.write(_welcome(enrolled, state))
    return DONE


def _check_fresh(state: State) -> None:
    known = state.enrollment()
    if known is not None:
        sentence = f"This machine is enrolled at {known.url} as {known.name}: xim leave first"
        raise Stop(f"{sentence}, or name another folder by --state.", NOT_ENROLLED)


def _join_key(said: argparse.Namespace) -> str:
    if said.join_key and said.join_key_file:
        raise Stop("Give --join-key or --join-key-file, not both.")
    if said.join_key == "-":
        return sys.stdin.readline()
    if said.join_key_file:
        try:
            return Path(said.join_key_file).expanduser().read_text()
        except (OSError, UnicodeDecodeError) as fault:
            raise Stop(f"--join-key-file {said.join_key_file} can't be read: {fault}.") from fault
    if not said.join_key:
        raise Stop("--join-key is missing: make one on the project's page of machines.")
    return str(said.join_key)


def _welcome(enrolled: Enrollment, state: State) -> str:
    lines = [f"Enrolled as {enrolled.name} ({enrolled.agent}) at {enrolled.url}."]
    identity = state.identity()
    if identity is not None:
        lines.append(f"Its key has the fingerprint {identity.fingerprint}.")
    ahead = time.time() - enrolled.server_time
    if abs(ahead) > CLOCK_S:
        lines.append(f"This machine's clock is {abs(ahead):.0f} s off: set it (timedatectl).")
    lines.append(f"Now start it: {state.run_command}")
    return "\n".join(lines) + "\n"


def leave(said: argparse.Namespace) -> int:
    """Retire the machine and forget its key."""
    state = State(Path(said.state).expanduser())
    with state.lock():
        if state.identity() is not None and state.enrollment() is None:
            state.forget()
            sys.stdout.write("This machine was not enrolled; the key it had made is removed.\n")
            return DONE
        identity, enrollment = state.enrolled()
        platform = Platform(enrollment.url, trust.context_of(enrollment.ca_pem), time.time)
        try:
            platform.leave(identity, enrollment.agent)
        except Refused:
            pass  # It is revoked, or unknown there: what we wanted.
        except Stop as stop:
            if not said.force:
                sentence = f"{stop} The enrolment is kept: try again, or xim leave --force."
                raise Stop(sentence, stop.code if stop.code != USAGE else UNREACHABLE) from stop
        state.forget()
    sys.stdout.write(f"{enrollment.name} has left {enrollment.url}.\n")
    return DONE
