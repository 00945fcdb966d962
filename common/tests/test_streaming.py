"""A long answer is made while it is sent, under a synchronous and an asynchronous server."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.handlers.asgi import ASGIRequest
from django.db import connection
from django.test import RequestFactory

from common import tenancy
from common.streaming import of_project, streamed


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


@pytest.mark.django_db
def test_each_piece_is_made_inside_the_wall_and_none_is_left_open() -> None:
    standing: list[str] = []

    def look() -> Iterator[str]:
        for _ in range(2):
            with connection.cursor() as cursor:
                cursor.execute("SELECT current_user || current_setting('app.project_id')")
                standing.extend(cursor.fetchone() or ())
            yield "x"

    pulled = of_project(7, "proj_x", look())

    assert list(pulled) == ["x", "x"]
    assert standing == [f"{tenancy.ROLE}7"] * 2
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user, current_setting('app.project_id', true)")
        assert cursor.fetchone() not in [(tenancy.ROLE, ""), (tenancy.ROLE, "7")]
