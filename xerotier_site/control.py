"""The control plane as a process of its own, behind our gateway or behind a proxy.

``python -m xerotier_site.server --control`` serves pages and the management API at a port, or at
a unix socket (``--socket``) for a gateway on the same machine.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any

import uvicorn

from inference.edges.asgi import PEER, Receive, Scope, Send
from inference.gateway.ops import Check, answer_health, answer_readiness
from xerotier_site.front import FACTS

NICE = 10
"""Where processors are few, who answers tokens goes first, and pages after that."""


class ControlMount:
    """The control plane's ASGI application with probes of its own."""

    def __init__(self, behind: Any, checks: Sequence[tuple[str, Check]]) -> None:
        self._behind = behind
        self._checks = checks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["path"] == "/readyz":
            await answer_readiness(send, {}, self._checks)
        elif scope["type"] == "http" and scope["path"] == "/healthz":
            await answer_health(send)
        else:
            await self._behind(scope, receive, send)


class BehindFront:
    """Takes from our own gateway what it saw: who calls, and what may be believed.

    Only for a socket that nobody else can reach.
    """

    def __init__(self, behind: Any) -> None:
        self._behind = behind

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request as if its caller were connected here."""
        said = dict(scope.get("headers", ())).get(FACTS)
        if said is not None:
            facts = json.loads(said)
            address = facts.pop("client")
            scope = {
                **scope,
                "client": (address, 0) if address else None,
                "headers": [field for field in scope["headers"] if field[0] != FACTS],
                "extensions": {**(scope.get("extensions") or {}), PEER: facts},
            }
        await self._behind(scope, receive, send)


def serve(application: Any, *, host: str, port: int, socket: str, grace_s: float) -> None:
    """Serve until told to stop."""
    os.nice(NICE)
    place = {"uds": socket} if socket else {"host": host, "port": port}
    uvicorn.run(
        BehindFront(application) if socket else application,
        **place,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # Who calls is read by our own rules (common.addresses).
        timeout_graceful_shutdown=int(grace_s),
    )
