"""The state folder of the platform's own machine: its key, its enrolment, as ``xim`` keeps them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from xim.control import api, joining
from xim.faults import Stop
from xim.identity import Identity, text_of
from xim.state import State

Unusable = Stop
"""The folder can't be used; the sentence says why, and what to do."""

Ask = Callable[[dict[str, Any]], dict[str, Any]]
"""The platform's side of joining: what a machine says, and what it is answered."""


class _Door:
    """A platform that is asked in its own process."""

    def __init__(self, url: str, ask: Ask) -> None:
        self.url = url
        self._ask = ask

    def enroll(
        self, identity: Identity, join_key: str, name: str, facts: dict[str, Any]
    ) -> dict[str, Any]:
        """Show a join key."""
        return self._ask(api.joining(identity, join_key, name, facts))


class Seat:
    """The folder. All of it raises ``Unusable``."""

    def __init__(self, folder: Path) -> None:
        self._state = State(folder)

    @property
    def public_key(self) -> str:
        """Return the machine's public key (base64url), empty if it has none yet."""
        identity = self._state.identity()
        return text_of(identity.public) if identity is not None else ""

    def join(self, url: str, join_key: str, ask: Ask) -> None:
        """Join by a join key, as ``xim enroll`` does; a key pair is made if there is none."""
        self._state.prepare()
        joining.join(self._state, _Door(url, ask), join_key, name="")

    def renew(self, url: str, answer: dict[str, Any]) -> None:
        """Keep a fresh token, and where the platform is today."""
        self._state.prepare()
        self._state.keep_enrollment(joining.read(answer, url))
