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
SECOND: Final = 1.0
TINY_S: Final = 1e-6
"""What sums of floating seconds may be wrong by."""
LINE_MOST_S: Final = 20.0
"""No longer than that anybody is sent away: a flood must not keep agents off when it is over."""


class Arrivals:
    """A bucket of links: ``burst`` at once, and ``per_s`` a second from then on.

    So no second has more than both together, wherever it begins, and no other clump than the
    first. Whoever is too many has a place in the line: a storm comes back spread out, as fast as
    it is taken in, and nobody in it has to guess.
    """

    def __init__(self, per_s: int, burst: int, now: Callable[[], float]) -> None:
        self._each_s = SECOND / per_s
        self._full_s = burst * self._each_s
        self._now = now
        self._paid_until = self._line_ends = now()

    def wait_s(self) -> float:
        """Take one in and return 0, or say after how many seconds it should come again."""
        now = self._now()
        paid_until = max(self._paid_until, now) + self._each_s
        if paid_until - now <= self._full_s + TINY_S:
            self._paid_until = paid_until
            return 0.0
        place = max(self._line_ends, now) + self._each_s
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
