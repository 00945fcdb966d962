"""How a connection to a worker is opened: as its operator says, or within the rules for tenants.

An operator's worker may be anywhere. A tenant's is called at public addresses and in the
networks that operators opened, decided here and not where the URL was typed: a name may lead
elsewhere a moment later. Of a connection that is open nothing is asked any more.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from abc import ABC, abstractmethod
from collections.abc import Callable

from inference.contracts.addresses import (
    TRIED_MOST,
    Aim,
    Place,
    Reach,
    fault_in_peer,
    fault_in_places,
)
from inference.fleet.http.heads import Origin
from inference.fleet.http.lookups import Lookups

Make = Callable[[], asyncio.Protocol]


class Dialler(ABC):
    """Opens connections to one origin."""

    def __init__(
        self, origin: Origin, tls: ssl.SSLContext | None, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._origin = origin
        self._tls = tls
        self._loop = loop

    @property
    def _server_hostname(self) -> str | None:
        return self._origin.host if self._tls else None

    @abstractmethod
    async def dial(self, make: Make, wait_s: float) -> None:
        """Open a connection that speaks the protocol ``make`` gives. Raises ``OSError``.

        Whoever calls gives up after ``wait_s``.
        """


class Anywhere(Dialler):
    """Goes wherever the name leads."""

    async def dial(self, make: Make, wait_s: float) -> None:
        """Open it as the loop does by itself."""
        await self._loop.create_connection(
            make,
            self._origin.host,
            self._origin.port,
            ssl=self._tls,
            server_hostname=self._server_hostname,
        )


class Guarded(Dialler):
    """Looks the name up once, judges every address, and goes to one of those and nowhere else.

    ``tells``: a credential goes along, which public addresses get by TLS alone.
    """

    def __init__(
        self,
        origin: Origin,
        tls: ssl.SSLContext | None,
        loop: asyncio.AbstractEventLoop,
        *,
        lookups: Lookups,
        reach: Reach,
        tells: bool,
    ) -> None:
        super().__init__(origin, tls, loop)
        self._lookups = lookups
        self._reach = reach
        self._aim = Aim(origin.host, origin.port, tells and not origin.secure)

    async def dial(self, make: Make, wait_s: float) -> None:
        """Open it to an address that was judged; the rest is shared out among several."""
        origin = self._origin
        places = await self._lookups.places(origin.host, origin.port)
        fault = fault_in_places(self._aim, places, self._reach)
        if fault:
            raise PermissionError(fault)
        sock = await self._first_of(places[:TRIED_MOST], wait_s)
        try:
            await self._loop.create_connection(
                make, sock=sock, ssl=self._tls, server_hostname=self._server_hostname
            )
        except BaseException:  # raised again: whatever ends this, the socket is not left open
            sock.close()
            raise

    async def _first_of(self, places: tuple[Place, ...], wait_s: float) -> socket.socket:
        place, others = places[0], places[1:]
        if not others:
            return await self._at(place)
        share_s = wait_s / len(places)
        try:
            async with asyncio.timeout(share_s):
                return await self._at(place)
        except OSError:
            return await self._first_of(others, wait_s - share_s)

    async def _at(self, place: Place) -> socket.socket:
        sock = socket.socket(place.family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            await self._loop.sock_connect(sock, place.whole)
            _check_peer(sock, place)
        except BaseException:  # raised again: as above
            sock.close()
            raise
        return sock


def _check_peer(sock: socket.socket, place: Place) -> None:
    fault = fault_in_peer(sock.getpeername()[0], place)
    if fault:
        raise PermissionError(fault)
