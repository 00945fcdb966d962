"""Answers that are too long for memory: sent piece by piece, under either kind of server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse

from common import tenancy


def streamed(
    request: HttpRequest, pieces: Iterator[str], *, content_type: str
) -> StreamingHttpResponse:
    """Send ``pieces`` as they are made.

    They are made after the view has returned, outside its transaction: what reads a
    tenant's rows is wrapped in ``of_project``.
    """
    if isinstance(request, ASGIRequest):
        return StreamingHttpResponse(_pulled(pieces), content_type=content_type)
    return StreamingHttpResponse(pieces, content_type=content_type)


def of_project(project_id: int, project: str, pieces: Iterator[str]) -> Iterator[str]:
    """Make each piece inside the wall of a project: no transaction outlives a piece."""
    while True:
        with tenancy.within(project_id, project):
            piece = _next(pieces)
        if piece is None:
            return
        yield piece


async def _pulled(pieces: Iterator[str]) -> AsyncIterator[str]:
    # Left to itself, Django would collect all of them first.
    while (piece := await sync_to_async(_next)(pieces)) is not None:
        yield piece


def _next(pieces: Iterator[str]) -> str | None:
    return next(pieces, None)
