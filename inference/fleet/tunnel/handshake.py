"""How a connection becomes a WebSocket (RFC 6455 section 4): judged by the ``websockets`` library.

No extension and no sub-protocol is taken. A page of a browser is no agent: it would bring
``Origin``, which no agent has, and could dial from behind its reader's firewall.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from websockets.datastructures import Headers as SocketHeaders
from websockets.http11 import Request
from websockets.server import ServerProtocol

from inference.http.lines import Headers
from inference.http.problems import Refused

PATH: Final = "/agents/v1/tunnel"
SWITCHING: Final = 101
UPGRADE_REQUIRED: Final = 426


class Arrivals:
    """How many links may come in a second (token bucket): a storm is told to come back."""

    def __init__(self, per_s: float, now: Callable[[], float]) -> None:
        self._per_s = self._left = per_s
        self._now = now
        self._at = now()

    def take(self) -> bool:
        """Count one; false if there were too many."""
        now = self._now()
        self._left = min(self._per_s, self._left + (now - self._at) * self._per_s)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


def answer(headers: Headers) -> bytes:
    """Return the head that accepts a link. Raises ``Refused``."""
    if any(name == b"origin" for name, _ in headers):
        raise Refused("origin_not_allowed", "Agents dial in here, and pages of browsers don't.")
    asked = SocketHeaders()
    for name, value in headers:
        asked[name.decode("latin-1")] = value.decode("latin-1")
    response = ServerProtocol().accept(Request(PATH, asked))
    if response.status_code == UPGRADE_REQUIRED:
        raise Refused("upgrade_required", "Agents dial in here, by WebSocket (docs/tunnel.md).")
    if response.status_code != SWITCHING:
        raise Refused("invalid_request", "This is no handshake of a WebSocket (RFC 6455).")
    return response.serialize()
