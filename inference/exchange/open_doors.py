"""What is answered without a key: a browser's preflight, and whether an endpoint is served now."""

from __future__ import annotations

from collections.abc import Callable

from inference.contracts.entries import Pool, Route
from inference.contracts.names import pool_key
from inference.contracts.origins import preflight_lines
from inference.exchange.plane import Plane
from inference.gate.address import HEALTH, Target
from inference.gate.head import Head
from inference.gate.rules import OPTIONS, allowed_here, workers_there
from inference.gate.tables import Found
from inference.http.fields import lines_of
from inference.http.lines import Lines

SERVED, NO_CONTENT, UNKNOWN, UNSERVED = 200, 204, 404, 503
ANY_METHOD = "GET, HEAD, POST, OPTIONS"
"""Of a place that is unknown: a page should be able to read that it is."""

_SAID = {SERVED: b"ok", UNKNOWN: b"unknown", UNSERVED: b"unavailable"}
_WANTED = b"access-control-request-headers"


def needs_key(head: Head) -> bool:
    """Say whether this has to pass the gate."""
    return head.method != OPTIONS and head.target.rest != HEALTH


def find_route(plane: Plane, target: Target, then: Callable[[Route | None, bool], None]) -> None:
    """Look an endpoint up; ``then`` gets it, or none, and whether that is sure."""

    def on_found(found: Found, sure: bool) -> None:
        route = found[target.route_key]
        is_sure = sure and plane.limiter.is_restored
        then(route if isinstance(route, Route) else None, is_sure)

    plane.tables.resolve([target.route_key], on_found)


def options_lines(head: Head, *, may_read: bool) -> Lines:
    """Return what may be done at a place; a page that may read answers learns what it may send."""
    methods = ", ".join(allowed_here(head.target)) if head.target.methods else ANY_METHOD
    lines = b"allow: %b\r\n" % methods.encode()
    if may_read:
        lines += preflight_lines(methods, head.fields.get(_WANTED, b""))
    return lines


def find_health(
    plane: Plane, route: Route | None, *, sure: bool, then: Callable[[int], None]
) -> None:
    """Find out whether a live worker serves an endpoint; ``then`` gets the status that says so."""
    if route is None or route.gone:
        then(UNKNOWN if sure or route is not None else UNSERVED)
        return

    def on_pools(found: Found, _sure: bool) -> None:
        pools = [thing for thing in found.values() if isinstance(thing, Pool) and not thing.gone]
        is_served = plane.router.is_any([workers_there(route, pool) for pool in pools])
        then(SERVED if is_served else UNSERVED)

    if route.paused:
        then(UNSERVED)
    else:
        names = route.pools if route.fallback is None else route.pools + route.fallback.pools
        plane.tables.resolve([pool_key(name) for name in names], on_pools)


def health_body(status: int) -> tuple[Lines, bytes]:
    """Return the answer of a status: one word, and nothing of who serves it."""
    fields = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    return lines_of(fields), b'{"status":"%b"}' % _SAID[status]
