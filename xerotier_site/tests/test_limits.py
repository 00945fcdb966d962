"""Bodies sent to the control plane are counted while they arrive."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from xerotier_site.limits import BodyLimit

pytestmark = pytest.mark.anyio
LIMIT = 10


class Django:
    """Reads a whole body before it answers, as Django does."""

    def __init__(self) -> None:
        self.read = b""
        self.served = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        more = True
        while more:
            message = await receive()
            self.read += message["body"]
            more = message["more_body"]
        self.served = True
        await send({"type": "http.response.start", "status": 200, "headers": []})


async def post(django: Django, *pieces: bytes, announced: str | None = None) -> list[Any]:
    left: Iterator[Any] = iter(
        {"type": "http.request", "body": piece, "more_body": number < len(pieces)}
        for number, piece in enumerate(pieces, 1)
    )
    said: list[Any] = []

    async def receive() -> Any:
        return next(left)

    async def send(message: Any) -> None:
        said.append(message)

    headers = [] if announced is None else [(b"content-length", announced.encode())]
    scope = {"type": "http", "headers": headers}
    await BodyLimit(django, LIMIT)(scope, receive, send)
    return said


async def test_body_within_the_limit_arrives_whole() -> None:
    django = Django()

    said = await post(django, b"12345", b"67890", announced="10")

    assert (django.read, said[0]["status"]) == (b"1234567890", 200)


@pytest.mark.parametrize(
    "announced",
    [
        pytest.param(None, id="unannounced"),
        pytest.param("3", id="announced as less"),
        pytest.param("x", id="announced as nonsense"),
    ],
)
async def test_longer_body_is_cut_off_while_it_arrives(announced: str | None) -> None:
    django = Django()

    said = await post(django, b"12345", b"678901", b"never read", announced=announced)

    assert said[0]["status"] == 413
    assert b"request_too_large" in said[1]["body"]
    assert (django.read, django.served) == (b"12345", False)


async def test_body_announced_as_longer_is_not_even_begun() -> None:
    django = Django()

    said = await post(django, b"12345", announced="11")

    assert (said[0]["status"], django.read) == (413, b"")
