"""How much a caller may send to the control plane: counted while it arrives.

Django looks at the announced length only, and by then has the whole body on disk.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from inference.http.problems import Refused
from xerotier_site.front import answer_refusal

Application = Callable[[Any, Any, Any], Awaitable[None]]

PAGE_BODY_BYTES = 4 * 1024 * 1024
"""No form and no management request comes near it."""


class _TooLong(Exception):
    """More arrived than may."""


class BodyLimit:
    """An ASGI application behind a limit: 413 for what is longer, announced or not."""

    def __init__(self, behind: Application, limit_bytes: int = PAGE_BODY_BYTES) -> None:
        self._behind = behind
        self._limit_bytes = limit_bytes

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._behind(scope, receive, send)
            return
        taken = 0

        async def counted() -> Any:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._limit_bytes:
                raise _TooLong
            return message

        if self._announced(scope) > self._limit_bytes:
            await _refuse(send)
            return
        try:
            await self._behind(scope, counted, send)
        except _TooLong:
            # Django reads the whole body before it answers, so no answer has begun.
            await _refuse(send)

    @staticmethod
    def _announced(scope: Any) -> int:
        said = dict(scope["headers"]).get(b"content-length", b"0")
        return int(said) if said.isdigit() else 0


async def _refuse(send: Any) -> None:
    refusal = Refused("request_too_large", "The request body is too large.")
    await answer_refusal(send, refusal, [(b"connection", b"close")])
