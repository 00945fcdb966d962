"""``/healthz``, ``/readyz`` and ``/metrics`` of a gateway process, as an ASGI application."""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from inference.edges.asgi import PEER, Receive, Scope, Send
from inference.edges.forwarded import Proxies
from inference.edges.hygiene import without_forwarded
from inference.exchange.config import PlaneConfig
from inference.gateway.gateway import Gateway
from inference.telemetry.scrape import CONTENT_TYPE, render

PATHS = frozenset({"/healthz", "/readyz", "/metrics"})
Check = Callable[[], Awaitable[str | None]]
"""Says why something is not ready; nothing if it is."""


NOT_FOR_YOU = (
    b"The metrics tell of every tenant. Ask from an address in XEROTIER_METRICS_ALLOW, not through"
    b" a proxy, or send XEROTIER_METRICS_TOKEN as a bearer token.\n"
)


class Readers:
    """Who may read the metrics: whoever has the token, and some addresses.

    An address counts only where nobody stands between: behind a proxy on this machine all the
    world would come from it.
    """

    def __init__(self, config: PlaneConfig) -> None:
        self._token = config.metrics_token
        self._near = Proxies(config.metrics_allow)

    def may_read(self, scope: Scope) -> bool:
        """Say whether this request may."""
        headers = scope["headers"]
        if self._token:
            said = dict(headers).get(b"authorization", b"")
            if hmac.compare_digest(said, b"Bearer " + self._token):
                return True
        peer = (scope.get("extensions") or {}).get(PEER)
        if peer is None:
            client = scope.get("client") or ("", 0)
            peer = {
                "address": client[0],
                "is_direct": len(without_forwarded(headers)) == len(headers),
            }
        return bool(peer["is_direct"]) and self._near.is_ours(peer["address"])


class Ops:
    """What probes and scrapers ask. ``checks``: what else must be ready, by name."""

    def __init__(self, gateway: Gateway, checks: Sequence[tuple[str, Check]] = ()) -> None:
        self._gateway = gateway
        self._readers = Readers(gateway.plane.config)
        self._checks = checks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one probe."""
        if scope["method"] not in ("GET", "HEAD"):
            await _answer(send, 405, b"", "text/plain", [(b"allow", b"GET, HEAD")])
        elif scope["path"] == "/metrics":
            await self._metrics(scope, send)
        elif scope["path"] == "/healthz":
            await answer_health(send)
        else:
            await answer_readiness(send, self._gateway.unready(), self._checks)

    async def _metrics(self, scope: Scope, send: Send) -> None:
        if self._readers.may_read(scope):
            await _answer(send, 200, render(self._gateway.figures.of_all()), CONTENT_TYPE)
        else:
            await _answer(send, 403, NOT_FOR_YOU, "text/plain")


async def answer_health(send: Send) -> None:
    """Say that this process answers."""
    await _json(send, 200, {"status": "ok"})


async def answer_readiness(
    send: Send, known: dict[str, str | None], checks: Sequence[tuple[str, Check]]
) -> None:
    """Say by name what is not ready; ``known`` is what needs no asking."""
    reasons = dict(known)
    for name, check in checks:
        reasons[name] = await check()
    unready = {name: reason for name, reason in reasons.items() if reason is not None}
    status, word = (503, "unready") if unready else (200, "ready")
    await _json(send, status, {"status": word, "checked": [*reasons], "not_ready": unready})


async def _json(send: Send, status: int, body: dict[str, Any]) -> None:
    await _answer(send, status, json.dumps(body).encode(), "application/json")


async def _answer(
    send: Send,
    status: int,
    body: bytes,
    content_type: str,
    extra: Sequence[tuple[bytes, bytes]] = (),
) -> None:
    headers = [
        (b"content-type", content_type.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        *extra,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
