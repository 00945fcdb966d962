"""How a connection becomes a WebSocket (RFC 6455 section 4): judged by the ``websockets`` library.

No extension and no sub-protocol is taken. A page of a browser is no agent: it would bring
``Origin``, which no agent has, and could dial from behind its reader's firewall.
"""

from __future__ import annotations

from collections import deque
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
SECOND: Final = 1.0
LINE_MOST_S: Final = 20.0
"""No longer than that anybody is sent away: a flood must not keep agents off when it is over."""


class Arrivals:
    """So many links may come within any second; whoever is too many has a place in the line.

    A storm comes back spread out, as fast as it is taken in, and nobody in it has to guess.
    """

    def __init__(self, per_s: int, now: Callable[[], float]) -> None:
        self._per_s = per_s
        self._now = now
        self._taken: deque[float] = deque(maxlen=per_s)
        self._line_ends = now()

    def wait_s(self) -> float:
        """Take one in and return 0, or say after how many seconds it should come again."""
        now = self._now()
        if len(self._taken) < self._per_s or now - self._taken[0] >= SECOND:
            self._taken.append(now)
            return 0.0
        place = max(self._line_ends, now) + SECOND / self._per_s
        self._line_ends = min(place, now + LINE_MOST_S)
        return max(SECOND, round(self._line_ends - now, 3))  # Else 1.0000001 would be two.


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
