"""What came decides how an answer is read, whether it is one, and when it is complete."""

from __future__ import annotations

import pytest

from inference.body.tokens import estimate_tokens
from tests.plane.conftest import Hire, Running, until
from tests.plane.said import (
    ERROR,
    PROMPT,
    STOP,
    Json,
    event,
    hears,
    last,
    told,
    typed,
    usage,
    whole,
    word,
)
from tests.plane.workers import BREAK, DONE, SSE_END, SSE_HEAD, Script, answer, chunk, stream
from tests.plane.world import ASK, STREAM, World

pytestmark = pytest.mark.anyio

NONE = [
    pytest.param(STREAM, stream(ERROR, DONE), id="A4: an error"),
    pytest.param(STREAM, [SSE_HEAD, chunk(ERROR), SSE_END], id="A4: an error and no end"),
    pytest.param(STREAM, [SSE_HEAD, SSE_END], id="A4: an empty stream"),
    pytest.param(STREAM, stream(DONE), id="A4: an end alone"),
    pytest.param(STREAM, stream(b": hello\n\n", DONE), id="A4: a comment and an end"),
    pytest.param(ASK, [answer(b'{"error":{"message":"quota","code":500}}')], id="A5: an error"),
    pytest.param(ASK, [answer(b"<html>login</html>", 200, "text/html")], id="A5: a login page"),
    pytest.param(
        STREAM, [answer(b"<html>login</html>", 200, "text/html")], id="a page for a stream"
    ),
    pytest.param(ASK, [answer(b"Quota exceeded", 200, "text/plain")], id="A5: plain words"),
    pytest.param(ASK, [answer(b'{"detail":"Not authenticated"}')], id="A5: no choices"),
    pytest.param(ASK, [b"HTTP/1.1 204 No Content\r\n\r\n"], id="A5: 204"),
    pytest.param(ASK, [answer(b"")], id="A5: nothing"),
]


@pytest.mark.parametrize(("body", "script"), NONE)
async def test_what_is_no_answer_is_neither_passed_off_nor_sold_as_one(
    running: Running, hire: Hire, sold: World, body: Json, script: Script
) -> None:
    await hire(script)

    heard = await hears(running, body)

    assert (heard.status, heard.error["code"]) == (502, "upstream_error")
    assert await told(sold) == ("absent", 0, 0, "worker_broke")


@pytest.mark.parametrize(
    ("body", "script"), [NONE[0].values, NONE[2].values, NONE[5].values, NONE[6].values]
)
async def test_another_worker_is_asked_for_what_was_no_answer(
    running: Running, hire: Hire, sold: World, body: Json, script: Script
) -> None:
    sound = (
        stream(word(), last(usage(9, 1)), DONE)
        if body is STREAM
        else [answer(whole("hi", usage(9, 1)))]
    )
    first, second = await hire(script), await hire(sound)
    while not first.asked:  # Who is asked first is drawn.
        assert (await hears(running, body)).status == 200

    assert len(second.asked) >= len(first.asked)
    assert {said["source"] for said in sold.events()} <= {"measured"}


async def test_error_about_the_request_is_the_callers_to_read_and_free(
    running: Running, hire: Hire, sold: World
) -> None:
    wrong = event({"error": {"message": "no such role", "type": "BadRequestError", "code": 400}})
    worker, other = await hire(stream(wrong, DONE)), await hire(stream(wrong, DONE))

    heard = await hears(running, STREAM)

    assert (heard.status, heard.body) == (200, wrong + DONE)
    assert len(worker.asked) + len(other.asked) == 1
    assert await told(sold) == ("absent", 0, 0, "refused")


async def test_error_behind_words_ends_what_is_charged_as_estimated(
    running: Running, hire: Hire, sold: World
) -> None:
    await hire(stream(word(), word(), ERROR))

    heard = await hears(running, STREAM)

    assert heard.body == word() + word() + ERROR
    assert await told(sold) == ("estimated", PROMPT, 2, "worker_broke")


@pytest.mark.parametrize(
    ("script", "body"),
    [
        pytest.param([answer(whole("w " * 1000))], STREAM, id="A8: a document for a stream"),
        pytest.param([answer(whole("w " * 1000))], ASK, id="a document"),
        pytest.param(
            [answer(whole("w " * 1000), 200, "text/event-stream")], STREAM, id="called a stream"
        ),
        pytest.param([answer(whole("w " * 1000), 200, "text/plain")], ASK, id="called plain"),
    ],
)
async def test_document_is_estimated_by_what_came_whatever_was_asked(
    running: Running, hire: Hire, sold: World, script: Script, body: Json
) -> None:
    await hire(script)

    await hears(running, body)

    size = estimate_tokens(len(whole("w " * 1000)))
    assert await told(sold) == ("estimated", PROMPT, size, "complete")


@pytest.mark.parametrize(
    "kind", ["Text/Event-Stream; charset=utf-8", "text/plain", "application/json", "x/y"]
)
async def test_stream_is_one_by_what_it_begins_with(
    running: Running, hire: Hire, sold: World, kind: str
) -> None:
    await hire(typed(kind, word("Pa"), STOP, last(usage(10, 5)), DONE))

    heard = await hears(running, STREAM)

    assert heard.body == word("Pa") + STOP + DONE
    assert heard.header("content-type") == "text/event-stream"
    assert await told(sold) == ("measured", 10, 5, "complete")


@pytest.mark.parametrize("after", [BREAK, ..., "close"])
async def test_answer_is_complete_with_its_last_word_whatever_the_worker_does_then(
    running: Running, hire: Hire, sold: World, after: object
) -> None:
    said = [SSE_HEAD, chunk(word()), chunk(STOP), chunk(last(usage(10, 5))), chunk(DONE)]
    steps = [] if after == "close" else [after]
    closing = SSE_HEAD.replace(b"Transfer-Encoding: chunked", b"Connection: close")
    plain = [closing, word(), STOP, last(usage(10, 5)), DONE, BREAK]
    await hire(plain if after == "close" else [*said, *steps])

    heard = await hears(running, STREAM)

    assert (heard.body, heard.complete) == (word() + STOP + DONE, True)
    assert await told(sold) == ("measured", 10, 5, "complete")
    assert running.gateway.health.out() == []
    await until(lambda: not any(sold.held().values()))
