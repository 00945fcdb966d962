"""A long answer is made while it is sent, under a synchronous and an asynchronous server."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.handlers.asgi import ASGIRequest
from django.test import RequestFactory

from common.streaming import streamed


def pieces(made: list[int]) -> Iterator[str]:
    for number in range(3):
        made.append(number)
        yield f"{number}\n"


def test_pieces_are_made_one_by_one() -> None:
    made: list[int] = []

    answer: Any = streamed(RequestFactory().get("/"), pieces(made), content_type="text/plain")
    sent = iter(answer.streaming_content)

    assert (next(sent), made) == (b"0\n", [0])
    assert (b"".join(sent), made) == (b"1\n2\n", [0, 1, 2])


@pytest.mark.anyio
async def test_pieces_are_made_one_by_one_under_asgi_too() -> None:
    made: list[int] = []
    request = ASGIRequest({"type": "http", "method": "GET", "path": "/"}, io.BytesIO())

    answer: Any = streamed(request, pieces(made), content_type="text/plain")
    sent = aiter(answer.streaming_content)

    assert (await anext(sent), made) == (b"0\n", [0])
    assert b"".join([piece async for piece in sent]) == b"1\n2\n"
