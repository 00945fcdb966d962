"""Requests that are uvicorn's: its scope and its cycle, with what strangers may not say removed."""

from __future__ import annotations

import asyncio
import urllib.parse
from typing import TYPE_CHECKING

from uvicorn._types import HTTPScope
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from inference.edges.asgi import LEFT
from inference.edges.hygiene import without_forwarded
from inference.ports import Headers

if TYPE_CHECKING:  # the protocol makes its cycles
    from inference.edges.protocol import PlatformProtocol


def new_cycle(
    protocol: PlatformProtocol, version: str, method: bytes, headers: Headers
) -> RequestResponseCycle:
    """Return the cycle of the request whose head the parser has just seen. Starts nothing."""
    protocol.cycle = RequestResponseCycle(
        scope=_scope(protocol, version, method, headers),
        transport=protocol.transport,
        flow=protocol.flow,
        logger=protocol.logger,
        access_logger=protocol.access_logger,
        access_log=protocol.access_log,
        default_headers=protocol.server_state.default_headers,
        message_event=asyncio.Event(),
        expect_100_continue=protocol.expect_100_continue,
        keep_alive=version != "1.0" and protocol.parser.should_keep_alive(),
        on_response=protocol.on_answered,
    )
    return protocol.cycle


def _scope(protocol: PlatformProtocol, version: str, method: bytes, headers: Headers) -> HTTPScope:
    raw_path, _, query = protocol.url.partition(b"?")
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
