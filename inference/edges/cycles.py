"""Requests that are uvicorn's: its scope and its cycle, with what strangers may not say removed."""

from __future__ import annotations

import asyncio
import urllib.parse
from typing import TYPE_CHECKING, Any

from uvicorn._types import HTTPScope
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from inference.edges.asgi import HEAD, LEFT
from inference.edges.hygiene import without_forwarded
from inference.exchange.head import Head
from inference.ports import Headers

if TYPE_CHECKING:  # the protocol makes its cycles
    from inference.edges.protocol import PlatformProtocol


def new_cycle(
    protocol: PlatformProtocol, scope: HTTPScope, *, keeps: bool, wants_continue: bool
) -> RequestResponseCycle:
    """Return the cycle of a request whose head is complete. Starts nothing."""
    protocol.cycle = RequestResponseCycle(
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
    protocol: PlatformProtocol, version: str, method: bytes, url: bytes, headers: Headers
) -> HTTPScope:
    """Return the scope of a request as its head says it."""
    raw_path, _, query = url.partition(b"?")
    client = protocol.client
    if client is not None and protocol.context.proxies.is_ours(client[0]):
        client = (protocol.caller_address(headers), 0)
    else:
        headers = without_forwarded(headers)
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
        "extensions": {LEFT: {}},
    }


def scope_with(head: Head, known: HTTPScope, protocol: PlatformProtocol) -> HTTPScope:
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
    return {LEFT: {}, HEAD: head}
