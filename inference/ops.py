"""``/healthz``, ``/readyz`` and ``/metrics`` of a gateway process, as an ASGI application."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from inference.edges.asgi import Receive, Scope, Send
from inference.scrape import CONTENT_TYPE, render
from inference.wiring import Gateway

PATHS = frozenset({"/healthz", "/readyz", "/metrics"})
Check = Callable[[], Awaitable[str | None]]
"""Says why something is not ready; nothing if it is."""


class Ops:
    """What probes and scrapers ask. ``checks``: what else must be ready, by name."""

    def __init__(self, gateway: Gateway, checks: Sequence[tuple[str, Check]] = ()) -> None:
        self._gateway = gateway
        self._checks = checks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one probe."""
        if scope["method"] not in ("GET", "HEAD"):
            await _answer(send, 405, b"", "text/plain", [(b"allow", b"GET, HEAD")])
        elif scope["path"] == "/metrics":
            await _answer(send, 200, render(self._gateway.snapshots()), CONTENT_TYPE)
        elif scope["path"] == "/healthz":
            await _json(send, 200, {"status": "ok"})
        else:
            await self._readiness(send)

    async def _readiness(self, send: Send) -> None:
        reasons = self._gateway.unready()
        for name, check in self._checks:
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
