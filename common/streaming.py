"""Answers that are too long for memory: sent piece by piece, under either kind of server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse


def streamed(
    request: HttpRequest, pieces: Iterator[str], *, content_type: str
) -> StreamingHttpResponse:
    """Send ``pieces`` as they are made.

    They are made after the view has returned: outside its transaction, so a generator
    that reads a tenant's rows opens a transaction of its own.
    """
    if isinstance(request, ASGIRequest):
        return StreamingHttpResponse(_pulled(pieces), content_type=content_type)
    return StreamingHttpResponse(pieces, content_type=content_type)


async def _pulled(pieces: Iterator[str]) -> AsyncIterator[str]:
    # Left to itself, Django would collect all of them first.
    while (piece := await sync_to_async(_next)(pieces)) is not None:
        yield piece


def _next(pieces: Iterator[str]) -> str | None:
    return next(pieces, None)
