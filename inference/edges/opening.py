"""Make the turn of a request whose head is complete: which plane it is for, and over which edge."""

from __future__ import annotations

from uvicorn._types import HTTPScope

from inference.edges.connection import CallerConnection
from inference.edges.cycles import extensions_with, new_cycle, scope_of, scope_with
from inference.edges.fast_turn import FastTurn
from inference.edges.head_cache import CachedHead
from inference.edges.hygiene import Malformed, check_bounds, check_head
from inference.edges.offers import has_body, without_offer
from inference.edges.turns import AsgiTurn, Turn
from inference.gate.address import is_plane_target
from inference.gate.head import Head
from inference.http.problems import Refused

TUNNEL = b"/agents/v1/tunnel"
"""Where agents dial in (docs/tunnel.md)."""

PROBES = (b"/healthz", b"/readyz", b"/metrics")
"""Asked by whoever watches over a machine, by whatever name it has for it."""


def of_head(protocol: CallerConnection, at_most: int, *, is_alone: bool) -> Turn | None:
    """Return the turn of the head that the parser has just read; none for a WebSocket or a link.

    Any other offer to change the protocol is declined (``offers``).

    ``at_most``: bytes it may have. ``is_alone``: nothing before it waits. Raises ``Malformed``.
    """
    parser, url, headers = protocol.parser, protocol.url, protocol.headers
    config, version = protocol.context.config, parser.get_http_version()
    check_bounds(url, headers, at_most, config.bounds)
    check_head(version, url, headers, () if url in PROBES else config.allowed_hosts)
    if url.partition(b"?")[0] == TUNNEL:
        protocol.welcome = _welcome(protocol, is_alone=is_alone)
        return None
    is_plane = is_plane_target(url) is not None
    if parser.should_upgrade():
        if is_alone and not is_plane and _is_for_a_socket(protocol):
            protocol.scope = {"method": "GET", "headers": headers}  # type: ignore[typeddict-item] # why: all that uvicorn's upgrade reads
            return None
        protocol.declined = without_offer(headers)
    return _turn(protocol, version, is_plane=is_plane)


def _welcome(protocol: CallerConnection, *, is_alone: bool) -> bytes:
    """Return the head that lets an agent in. Raises ``Malformed``: what else comes is refused."""
    is_bare = protocol.parser.get_method() == b"GET" and not has_body(protocol.headers)
    is_offer = is_alone and is_bare and protocol.parser.should_upgrade()
    try:
        return protocol.context.door.answer(protocol.headers if is_offer else [])
    except Refused as refusal:
        said = (refusal.status, refusal.message, refusal.code, refusal.retry_after_s)
        raise Malformed(*said) from None


def _is_for_a_socket(protocol: CallerConnection) -> bool:
    is_bare = protocol.parser.get_method() == b"GET" and not has_body(protocol.headers)
    return is_bare and protocol._should_upgrade()  # noqa: SLF001 - uvicorn's


def _turn(protocol: CallerConnection, version: str, *, is_plane: bool) -> Turn:
    parser, url, headers = protocol.parser, protocol.url, protocol.headers
    method, wants_continue = parser.get_method(), protocol.expect_100_continue
    is_last = version == "1.0" or protocol.context.plane.stopping
    keeps = not is_last and parser.should_keep_alive()
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


def of_known(protocol: CallerConnection, known: CachedHead) -> Turn:
    """Return the turn of a head that was told by its bytes."""
    if known.scope is None:
        return FastTurn(protocol, known.head, is_new=True, keeps=True)
    scope = scope_with(known.head, known.scope, protocol)
    return AsgiTurn(protocol, new_cycle(protocol, scope, keeps=True, wants_continue=False))
