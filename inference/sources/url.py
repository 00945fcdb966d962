"""Where Valkey is, read from one URL, and how to connect there."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass(frozen=True)
class ValkeyUrl:
    """The parts of ``redis[s]://user:pass@host:port/0`` or ``unix://:pass@/path.sock?db=0``."""

    host: str = ""
    port: int = 6379
    path: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    db: int = 0
    tls: bool = False

    @classmethod
    def read(cls, url: str) -> ValkeyUrl:
        """Read a URL. Raises ``ValueError`` if it is no address of a Valkey."""
        parts = urlsplit(url)
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        if parts.scheme == "unix":
            db = int(parse_qs(parts.query).get("db", ["0"])[0])
            return cls(path=unquote(parts.path), username=user, password=password, db=db)
        if parts.scheme not in ("redis", "rediss", "valkey", "valkeys"):
            raise ValueError(f"{parts.scheme!r} is no scheme of a Valkey URL")
        return cls(
            host=parts.hostname or "localhost",
            port=parts.port or 6379,
            username=user,
            password=password,
            db=int(parts.path.strip("/") or 0),
            tls=parts.scheme in ("rediss", "valkeys"),
        )

    def greeting(self) -> list[tuple[str, ...]]:
        """Return the commands that open a connection; the last one is never missing."""
        commands: list[tuple[str, ...]] = []
        if self.password:
            names = (self.username,) if self.username else ()
            commands.append(("AUTH", *names, self.password))
        if self.db:
            commands.append(("SELECT", str(self.db)))
        return [*commands, ("PING",)]

    async def connect(
        self, loop: asyncio.AbstractEventLoop, factory: Callable[[], asyncio.Protocol]
    ) -> None:
        """Open a connection. Raises ``OSError``."""
        if self.path:
            await loop.create_unix_connection(factory, self.path)
            return
        context = ssl.create_default_context() if self.tls else None
        await loop.create_connection(factory, self.host, self.port, ssl=context)
