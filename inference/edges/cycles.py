"""Requests that are uvicorn's: its scope and its cycle, with what strangers may not say removed."""

from __future__ import annotations

import asyncio
import urllib.parse
from collections.abc import Callable
from typing import Any, Final

from uvicorn._types import HTTPScope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from inference.edges.asgi import HEAD, LEFT, LINES, PEER
from inference.edges.connection import CallerConnection
from inference.edges.hygiene import without_forwarded
from inference.gate.head import Head
from inference.http.lines import Headers, Lines

BODILESS: Final = (204, 304)
_LENGTH: Final = b"\r\ncontent-length: "


class PlatformCycle(RequestResponseCycle):
    """uvicorn's cycle, which also takes an answer's head as the lines that the core has written.

    They need no checking and no putting together, which is most of what a head costs otherwise.
    """

    def __init__(self, date_line: Callable[[], bytes], **facts: Any) -> None:
        super().__init__(**facts)
        self._date_line = date_line

    async def send(self, message: Any) -> None:
        """Send a message; see ``asgi.LINES`` for what it may hold beyond ASGI."""
        lines = message.get(LINES)
        if lines is None:
            await super().send(message)
            return
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if not self.disconnected:
            self.response_started = True
            self.waiting_for_100_continue = False
            self.transport.write(self._head(message["status"], lines))

    def _head(self, status: int, lines: Lines) -> bytes:
        at = lines.find(_LENGTH)
        framing = b""
        if at >= 0:
            start = at + len(_LENGTH)
            self.chunked_encoding = False
            self.expected_content_length = int(lines[start : lines.index(b"\r", start)])
        elif self.scope["method"] != "HEAD" and status not in BODILESS:
            self.chunked_encoding = True
            framing = b"transfer-encoding: chunked\r\n"
        end = b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n"
        return b"".join((STATUS_LINE[status], self._date_line(), lines, framing, end))


def new_cycle(
    protocol: CallerConnection, scope: HTTPScope, *, keeps: bool, wants_continue: bool
) -> RequestResponseCycle:
    """Return the cycle of a request whose head is complete. Starts nothing."""
    protocol.cycle = PlatformCycle(
        protocol.date_line,
        scope=scope,
        transport=protocol.transport,
        flow=protocol.flow,
        logger=protocol.logger,
        access_logger=protocol.access_logger,
        access_log=protocol.access_log,
        default_headers=protocol.server_state.default_headers,
        message_event=asyncio.Event(),
        expect_100_continue=wants_continue,
        keep_alive=keeps,
        on_response=protocol.on_answered,
    )
    return protocol.cycle


def scope_of(
    protocol: CallerConnection, version: str, method: bytes, url: bytes, headers: Headers
) -> HTTPScope:
    """Return the scope of a request as its head says it."""
    raw_path, _, query = url.partition(b"?")
    client, headers, peer = _seen_from(protocol, headers)
    return {
        "type": "http",
        "asgi": {"version": protocol.asgi_version, "spec_version": "2.3"},
        "http_version": version,
        "server": protocol.server,
        "client": client,
        "scheme": protocol.scheme or "http",
        "method": method.decode("ascii"),
        "root_path": protocol.root_path,
        "path": urllib.parse.unquote(raw_path.decode("ascii")),
        "raw_path": raw_path,
        "query_string": query,
        "headers": headers,
        "state": protocol.app_state.copy(),
        "extensions": {LEFT: {}, PEER: peer},  # type: ignore[dict-item] # why: uvicorn types them empty
    }


def _seen_from(
    protocol: CallerConnection, headers: Headers
) -> tuple[tuple[str, int] | None, Headers, dict[str, Any]]:
    """Decide once, for every reader behind: who calls, and which fields may still be read."""
    client = protocol.client
    address = client[0] if client else ""
    is_proxy = protocol.context.proxies.is_ours(address)
    own = without_forwarded(headers)
    peer = {"address": address, "is_proxy": is_proxy, "is_direct": len(own) == len(headers)}
    if not is_proxy:
        return client, own, peer
    return (protocol.caller_address(headers), 0), headers, peer


def scope_with(head: Head, known: HTTPScope, protocol: CallerConnection) -> HTTPScope:
    """Return the scope of a head that came before, but for its length."""
    length = b"%d" % head.announced
    headers = [
        (name, length if name == b"content-length" else value) for name, value in known["headers"]
    ]
    scope = known.copy()
    scope["headers"] = headers
    scope["state"] = protocol.app_state.copy()
    scope["extensions"] = extensions_with(head)
    return scope


def extensions_with(head: Head) -> dict[str, Any]:
    """Return what our server says beyond ASGI to the application that serves inference."""
    return {LEFT: {}, HEAD: head, LINES: {}}
