"""Dialling a gateway: the connection as we want it, and what it means if there is none."""

from __future__ import annotations

import socket
from http import HTTPStatus

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import InvalidStatus

from xim.link.endings import Ending, Next

NOTSENT_LOWAT = getattr(socket, "TCP_NOTSENT_LOWAT", None)
UNSENT_MAX = 64 << 10
"""So much of what is sent may wait between us and the kernel, and as much in it."""


def keep_little_in_the_kernel(wire: ClientConnection) -> None:
    """Let control frames overtake bodies, which they can't in the kernel."""
    plain = wire.transport.get_extra_info("socket")
    if plain is not None and NOTSENT_LOWAT is not None:
        plain.setsockopt(socket.IPPROTO_TCP, NOTSENT_LOWAT, UNSENT_MAX)


def declined(fault: InvalidStatus) -> Ending:
    """Return what a refusal in HTTP means for the next try."""
    status = fault.response.status_code
    after = fault.response.headers.get("Retry-After", "")
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        if not after.isdigit():
            return Ending(Next.BACK_OFF, "the gateway takes no links just now", 1.0)
        # A place in its line: whoever guessed beside it would come late, or all at once again.
        return Ending(Next.AS_TOLD, "the gateway has too many new links", min(int(after), 600))
    return Ending(Next.BACK_OFF, f"there is no tunnel at that address (status {status})")


def words_of(fault: BaseException) -> str:
    """Return why an address can't be reached, for a person."""
    if isinstance(fault, TimeoutError):
        return "no answer in time"
    return getattr(fault, "strerror", None) or str(fault) or type(fault).__name__
