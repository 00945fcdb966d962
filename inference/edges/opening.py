"""Make the turn of a request whose head is complete: which plane it is for, and over which edge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvicorn._types import HTTPScope

from inference.edges.cycles import extensions_with, new_cycle, scope_of, scope_with
from inference.edges.fast_turn import FastTurn
from inference.edges.known import KnownHead
from inference.edges.turns import AsgiTurn, Turn
from inference.exchange.head import Head

if TYPE_CHECKING:  # the protocol makes its turns
    from inference.edges.protocol import PlatformProtocol


def of_head(protocol: PlatformProtocol, version: str, *, is_plane: bool) -> Turn:
    """Return the turn of the head that the parser has just read."""
    parser, url, headers = protocol.parser, protocol.url, protocol.headers
    method, wants_continue = parser.get_method(), protocol.expect_100_continue
    keeps = version != "1.0" and parser.should_keep_alive()
    if not is_plane:
        page = scope_of(protocol, version, method, url, headers)
        cycle = new_cycle(protocol, page, keeps=keeps, wants_continue=wants_continue)
        return AsgiTurn(protocol, cycle)
    head = Head(method, url, headers)
    scope: HTTPScope | None = None
    if not protocol.context.config.fast_edge:
        scope = scope_of(protocol, version, method, url, headers)
        scope["extensions"] = extensions_with(head)
    if keeps:
        protocol.memory.remember(head, scope)
    if scope is not None:
        cycle = new_cycle(protocol, scope, keeps=keeps, wants_continue=wants_continue)
        return AsgiTurn(protocol, cycle)
    is_new = version == "1.1"
    return FastTurn(protocol, head, is_new=is_new, keeps=keeps, wants_continue=wants_continue)


def of_known(protocol: PlatformProtocol, known: KnownHead) -> Turn:
    """Return the turn of a head that was told by its bytes."""
    if known.scope is None:
        return FastTurn(protocol, known.head, is_new=True, keeps=True)
    scope = scope_with(known.head, known.scope, protocol)
    return AsgiTurn(protocol, new_cycle(protocol, scope, keeps=True, wants_continue=False))
