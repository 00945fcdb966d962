"""Joining a platform, whoever carries what is said: what fails leaves the machine as it was."""

from __future__ import annotations

from typing import Any, Protocol

from xim import facts
from xim.control.api import Refused, Unreachable
from xim.identity import Identity
from xim.state import Enrollment, State


class Door(Protocol):
    """Where a join key is shown: over HTTPS, or in the platform's own process."""

    url: str

    def enroll(
        self, identity: Identity, join_key: str, name: str, facts: dict[str, Any]
    ) -> dict[str, Any]:
        """Show a join key; return the answer. Raises ``Refused`` or ``Unreachable``."""


def join(state: State, door: Door, join_key: str, name: str, ca_pem: str = "") -> Enrollment:
    """Join by a join key, and keep what came back."""
    kept = state.identity()
    identity = kept or Identity.made()
    # Kept before it is told: if the answer is lost, the next try is the same machine.
    state.keep_identity(identity)
    try:
        answer = door.enroll(identity, join_key, name, facts.facts())
        enrollment = read(answer, door.url, ca_pem)
    except Refused:
        if kept is None:
            state.forget()
        raise
    state.keep_enrollment(enrollment)
    return enrollment


def read(answer: dict[str, Any], url: str, ca_pem: str = "") -> Enrollment:
    """Return what a platform answered; raises ``Unreachable`` if it is none."""
    try:
        agent = answer["agent"]
        enrollment = Enrollment(
            url=url,
            agent=str(agent["id"]),
            name=str(agent["name"]),
            project=str(agent.get("project") or ""),
            tunnel=str(answer["tunnel"]),
            token=str(answer["token"]),
            expires_at=float(answer["expires_at"]),
            server_time=float(answer["server_time"]),
            ca_pem=ca_pem,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as fault:
        raise Unreachable(f"{url} answers, but not as Xerotier does: is it right?") from fault
    if not enrollment.tunnel.startswith(("ws://", "wss://")):
        raise Unreachable(f"{url} names no address for the link: tell its operator.")
    return enrollment
