"""One request to an engine, on a connection of its own (upstream client).

A connection that is used once can't be a stale one: if nothing was written to it, the request
surely never reached the engine, and if the caller leaves it is closed with everything on it.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

import h11

from xim.web.body import Body, NoBody, body_of

CONNECT_S = 5.0
PIECE = 16_384
HEAD_MAX = 60 << 10

Lines = list[tuple[bytes, bytes]]


class CallFault(Exception):
    """An engine that can't be asked, or does not answer as it should."""


class Unreached(CallFault):
    """Nothing was sent: the request surely never reached the engine."""


class Broken(CallFault):
    """The engine hung up before its answer was whole."""


class Garbled(CallFault):
    """What came is no HTTP."""


class TooMuch(CallFault):
    """The head of an answer is larger than may be."""


@dataclass(frozen=True, slots=True)
class Address:
    """An engine's base URL, taken apart."""

    host: str
    port: int
    path: str
    is_secured: bool

    @classmethod
    def of(cls, url: str) -> Address:
        """Read a base URL; raises ``ValueError`` if it is none."""
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query:
            raise ValueError(f"{url} is no http:// or https:// address")
        is_secured = parts.scheme == "https"
        port = parts.port or (443 if is_secured else 80)
        return cls(parts.hostname, port, parts.path.rstrip("/"), is_secured)

    @property
    def authority(self) -> bytes:
        """Return what stands in the Host line."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}".encode()


class Call:
    """A request under way."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_MAX)
        self._body = Body(0)

    def start(self, method: str, target: str, lines: Lines) -> None:
        """Send the head."""
        request = h11.Request(method=method, target=target, headers=lines)
        self._writer.write(self._http.send(request) or b"")

    async def send(self, piece: bytes) -> None:
        """Send a piece of the body."""
        self._writer.write(self._http.send(h11.Data(data=piece)) or b"")
        try:
            await self._writer.drain()
        except ConnectionError:
            return  # It may have answered before it hung up; reading tells.

    def finish(self) -> None:
        """Say that the body is whole."""
        self._writer.write(self._http.send(h11.EndOfMessage()) or b"")

    async def head(self) -> tuple[int, Lines]:
        """Return status and header lines of the answer."""
        while True:
            event = await self._event()
            if isinstance(event, h11.Response):
                self._body = body_of(event.status_code, event.headers)
                return event.status_code, [
                    (bytes(name), bytes(said)) for name, said in event.headers
                ]
            if not isinstance(event, h11.InformationalResponse):
                raise Garbled("the engine answers what nobody asked")

    async def pieces(self) -> AsyncIterator[bytes]:
        """Return the body as it comes; raises ``Broken`` if it ends too early."""
        body = self._body
        data, _ = self._http.trailing_data
        while True:
            try:
                piece = body.feed(data)
            except NoBody as fault:
                raise Garbled(f"the engine's answer is no HTTP: {fault}") from fault
            if piece:
                yield piece
            if body.has_ended:
                return
            data = await self._read()
            if not data:
                if not body.hung_up():
                    raise Broken("the engine hung up in the middle of its answer")
                return

    async def _read(self) -> bytes:
        try:
            return await self._reader.read(PIECE)
        except OSError as fault:
            raise Broken(f"the engine hung up: {fault}") from fault

    async def _event(self) -> h11.Event:
        while True:
            try:
                event = self._http.next_event()
                if isinstance(event, h11.Event):
                    return event
                data = await self._read()
                if not data:
                    raise Broken("the engine hung up before it answered")
                self._http.receive_data(data)
            except h11.RemoteProtocolError as fault:
                raise self._fault(fault) from fault

    def _fault(self, fault: h11.RemoteProtocolError) -> CallFault:
        if fault.error_status_hint == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE:
            return TooMuch(f"the head of the engine's answer is over {HEAD_MAX >> 10} KiB")
        return Garbled(f"the engine's answer is no HTTP: {fault}")


@asynccontextmanager
async def call(address: Address, trust: ssl.SSLContext | None = None) -> AsyncIterator[Call]:
    """Connect, and hang up at the end, whatever was still to come."""
    if address.is_secured and trust is None:
        trust = ssl.create_default_context()
    secured = trust if address.is_secured else None
    try:
        async with asyncio.timeout(CONNECT_S):
            reader, writer = await asyncio.open_connection(
                address.host, address.port, ssl=secured, limit=PIECE * 2
            )
    except (OSError, TimeoutError) as fault:
        where = f"{address.host}:{address.port}"
        raise Unreached(f"nothing answers at {where}") from fault
    try:
        yield Call(reader, writer)
    finally:
        writer.transport.abort()


async def fetch(
    address: Address, target: str, key: str = "", *, most: int, body: bytes | None = None
) -> tuple[int, bytes]:
    """Ask once and read the whole answer, up to ``most`` bytes of it."""
    lines: Lines = [(b"host", address.authority), (b"connection", b"close")]
    if key:
        lines.append((b"authorization", f"Bearer {key}".encode()))
    if body is not None:
        lines += [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
        ]
    async with call(address) as asked:
        asked.start("GET" if body is None else "POST", target, lines)
        if body:
            await asked.send(body)
        asked.finish()
        status, _ = await asked.head()
        content = b""
        async for piece in asked.pieces():
            content += piece
            if len(content) >= most:
                break
        return status, content[:most]
