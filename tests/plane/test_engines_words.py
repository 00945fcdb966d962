"""An engine that answers with an error is heard out, and its caller is told what it said."""

from __future__ import annotations

import json

import pytest

from tests.plane.caller import request
from tests.plane.conftest import Hire, Running
from tests.plane.workers import BREAK, answer, completion
from tests.plane.world import ASK, CHAT, KEY, STREAM

pytestmark = pytest.mark.anyio

SAID = b'{"error": {"message": "its own words"}}'
QUOTED = "The engine answered 500: its own words"


@pytest.mark.parametrize("status", [400, 404, 409, 413, 415, 422, 451])
async def test_what_is_about_the_request_passes_as_it_is(
    running: Running, hire: Hire, status: int
) -> None:
    await hire([answer(SAID, status)])

    heard = await running.ask(request(CHAT, ASK, key=KEY))

    assert (heard.status, heard.body) == (status, SAID)


@pytest.mark.parametrize(
    ("status", "code", "answered", "is_quoted"),
    [
        pytest.param(401, "upstream_error", 502, False, id="our credential failed"),
        pytest.param(403, "upstream_error", 502, False, id="our credential may not"),
        pytest.param(402, "upstream_error", 502, False, id="our account is empty"),
        pytest.param(405, "operation_not_supported", 404, True, id="it takes no such method"),
        pytest.param(501, "operation_not_supported", 404, True, id="it can't do this"),
        pytest.param(408, "upstream_error", 502, True, id="it lost patience"),
        pytest.param(500, "upstream_error", 502, True, id="its own fault, or not"),
        pytest.param(302, "upstream_error", 502, True, id="somewhere else"),
        pytest.param(429, "capacity_exceeded", 429, False, id="it is full"),
    ],
)
@pytest.mark.parametrize("body", [ASK, STREAM])
async def test_other_errors_are_ours_and_quote_it(
    running: Running,
    hire: Hire,
    status: int,
    code: str,
    answered: int,
    is_quoted: bool,
    body: object,
) -> None:
    await hire([answer(SAID, status)])

    heard = await running.ask(request(CHAT, body, key=KEY))  # type: ignore[arg-type] # why: either

    assert (heard.status, heard.error["code"]) == (answered, code)
    assert ("its own words" in heard.error["message"]) is is_quoted
    assert heard.header("x-xerotier-worker-id") == "wrk_0"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        pytest.param(SAID, ": its own words", id="as OpenAI does"),
        pytest.param(b'{"error": "its own words"}', ": its own words", id="bare"),
        pytest.param(b'{"detail": "its own words"}', ": its own words", id="as FastAPI does"),
        pytest.param(b'{"message": "its own words"}', ": its own words", id="as proxies do"),
        pytest.param(b'{"error": {"message": "a\\u0000\\nb"}}', ": a  b", id="unprintable"),
        pytest.param(json.dumps({"error": "w" * 9000}).encode(), ": " + "w" * 500, id="long"),
        pytest.param(b"<html>its own words", " and gave no reason.", id="a page"),
        pytest.param(b'{"error": ' * 5000, " and gave no reason.", id="deep"),
        pytest.param(b'{"error": "' + b"w" * 99_000 + b'"}', " and gave no reason.", id="endless"),
        pytest.param(b"", " and gave no reason.", id="nothing"),
        pytest.param(b"[1]", " and gave no reason.", id="something else"),
    ],
)
async def test_its_words_are_bounded_and_plain(
    running: Running, hire: Hire, said: bytes, words: str
) -> None:
    await hire([answer(said, 500)])

    heard = await running.ask(request(CHAT, ASK, key=KEY))

    assert heard.error["message"] == f"The engine answered 500{words}"


async def test_error_that_never_ends_is_waited_for_a_second(running: Running, hire: Hire) -> None:
    await hire([b"HTTP/1.1 500 Oh\r\nContent-Length: 99\r\n\r\n", ...])

    heard = await running.ask(request(CHAT, ASK, key=KEY))

    assert heard.error["message"] == "The engine answered 500 and gave no reason."


async def test_error_that_breaks_off_is_an_error_all_the_same(running: Running, hire: Hire) -> None:
    await hire([b"HTTP/1.1 500 Oh\r\nContent-Length: 99\r\n\r\n" + SAID, BREAK])

    heard = await running.ask(request(CHAT, ASK, key=KEY))

    assert heard.error["message"] == QUOTED
    assert running.gateway.health._breakers == {}


async def test_error_of_one_worker_is_mended_by_another(running: Running, hire: Hire) -> None:
    failing, sound = await hire([answer(SAID, 500)]), await hire([answer(completion())])

    said = [(await running.ask(request(CHAT, ASK, key=KEY))).status for _ in range(20)]

    assert said == [200] * 20
    assert failing.asked
    assert len(sound.asked) == 20


async def test_request_that_fails_on_two_workers_is_tried_on_no_third(
    running: Running, hire: Hire
) -> None:
    workers = [await hire([answer(SAID, 500)]) for _ in range(4)]

    heard = await running.ask(request(CHAT, ASK, key=KEY))

    assert heard.error["message"] == QUOTED
    assert heard.header("x-should-retry") == "false"
    assert sum(len(worker.asked) for worker in workers) == 2


async def test_connection_is_kept_behind_an_error_that_was_read(
    running: Running, hire: Hire
) -> None:
    await hire([answer(SAID, 500)], [answer(completion())])

    said = [(await running.ask(request(CHAT, ASK, key=KEY))).status for _ in range(2)]

    assert said == [502, 200]
    assert running.gateway.fleet.stats().connects == 1


async def test_large_upload_is_told_what_the_engine_said(running: Running, hire: Hire) -> None:
    await hire([answer(SAID, 500)])
    body = {**ASK, "user": "x" * 400_000}

    heard = await running.ask(request(CHAT, body, key=KEY))

    assert heard.error["message"] == QUOTED
