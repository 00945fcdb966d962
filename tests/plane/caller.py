"""A caller that speaks HTTP by hand, so that a test decides every byte and every moment."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

PATIENCE_S = 30.0


@dataclass
class Heard:
    """An answer as it arrived. ``complete``: its framing says that nothing is missing."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes = b""
    complete: bool = False
    pieces: list[bytes] = field(default_factory=list)

    def header(self, name: str) -> str | None:
        found = [value for known, value in self.headers if known == name]
        assert len(found) <= 1, f"{name} came {len(found)} times"
        return found[0] if found else None

    @property
    def error(self) -> dict[str, Any]:
        error: dict[str, Any] = json.loads(self.body)["error"]
        return error


class Connection:
    """One TCP connection to the platform."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.patience_s = PATIENCE_S

    @classmethod
    async def open(cls, port: int, *, limit: int = 2**16) -> Connection:
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=limit))

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(self) -> Heard:
        async with asyncio.timeout(self.patience_s):
            raw = await self.reader.readuntil(b"\r\n\r\n")
        first, *lines = raw.decode("latin-1").split("\r\n")[:-2]
        pairs = [line.partition(":") for line in lines]
        headers = [(name.lower(), value.strip()) for name, _, value in pairs]
        return Heard(int(first.split(" ")[1]), headers)

    async def answer(self) -> Heard:
        heard = await self.head()
        await self.rest(heard)
        return heard

    async def rest(self, heard: Heard) -> None:
        """Read the body to its end, or to where it broke."""
        while (piece := await self.piece(heard)) is not None:
            heard.pieces.append(piece)
        heard.body = b"".join(heard.pieces)

    async def piece(self, heard: Heard) -> bytes | None:
        """Read one chunk, or the whole of a body with a length; none at the end or the break."""
        if heard.complete:
            return None
        async with asyncio.timeout(self.patience_s):
            try:
                return await self._piece(heard)
            except asyncio.IncompleteReadError:
                return None

    async def _piece(self, heard: Heard) -> bytes | None:
        if heard.header("transfer-encoding") == "chunked":
            size = int(await self.reader.readuntil(b"\r\n"), 16)
            data = await self.reader.readexactly(size)
            assert await self.reader.readexactly(2) == b"\r\n"
            heard.complete = size == 0
            return data or None
        length = heard.header("content-length")
        assert length is not None, "neither a length nor chunks"
        data = await self.reader.readexactly(int(length))
        heard.complete = True
        return data

    async def closed(self) -> bool:
        """Wait until the other side has closed."""
        async with asyncio.timeout(self.patience_s):
            try:
                while await self.reader.read(2**16):
                    pass
            except ConnectionResetError:
                return True
        return True

    def reset(self) -> None:
        """Leave at once, without a word."""
        self.writer.transport.abort()

    async def close(self) -> None:
        self.writer.close()


def request(
    path: str,
    body: bytes | dict[str, Any] | None = None,
    *,
    key: str | None = None,
    method: str = "POST",
    headers: dict[str, str] | None = None,
) -> bytes:
    """Write a request as an ordinary client would."""
    data = json.dumps(body).encode() if isinstance(body, dict) else (body or b"")
    fields = {"Host": "localhost", **(headers or {})}
    if key is not None:
        fields["Authorization"] = f"Bearer {key}"
    if body is not None:
        fields = {"Content-Type": "application/json", "Content-Length": str(len(data)), **fields}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + data
