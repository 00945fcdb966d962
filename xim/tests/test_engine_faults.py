"""What is guarded: an engine that fails, is told as what it was, and hurts one request."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

import pytest

from link_scene import scene, scene_before
from scripted_gateway import Answer
from test_link import ask, mark
from xim.web.call import Address
from xim.web.server import Asked, Reply

pytestmark = pytest.mark.anyio

BUSY, UNREACHABLE, RESET, PROTOCOL, SILENT, LARGE = 2, 4, 5, 6, 7, 8


def code_of(answer: Answer) -> tuple[int, bool]:
    assert answer.reset is not None, answer
    return answer.reset[0], answer.reset[1]


async def test_engine_that_is_not_there_is_unreachable_and_untouched() -> None:
    async with scene() as agent:
        agent.stand.engine.address = Address("127.0.0.1", 1, "/v1", is_secured=False)
        peer = await agent.peer()
        answer = await peer.over(await peer.open(ask("x")))

    assert code_of(answer) == (UNREACHABLE, True)


@pytest.mark.parametrize(
    ("model", "streams", "code"),
    [
        ("sim-refuse", False, RESET),
        ("sim-break", False, RESET),
        ("sim-break", True, RESET),
        ("sim-wrong-length", False, RESET),
        ("sim-wrong-length", True, RESET),
    ],
)
async def test_engine_that_breaks_was_touched(model: str, streams: bool, code: int) -> None:
    async with scene() as agent:
        peer = await agent.peer()
        body = ask("x", model=model, stream=streams, max_tokens=16, ignore_eos=True)
        answer = await peer.over(await peer.open(body, model=model))

    assert code_of(answer) == (code, False)


async def test_what_an_engine_said_before_it_broke_still_arrives() -> None:
    async with scene() as agent:
        peer = await agent.peer()
        body = ask("x", model="sim-break", stream=True, max_tokens=100, ignore_eos=True)
        answer = await peer.over(await peer.open(body, model="sim-break"))

    assert answer.status == 200
    assert answer.body.count(b"data:") >= 10


async def test_engine_that_never_begins_is_silent_after_the_time_it_was_given() -> None:
    async def engine(_: Asked, __: Reply) -> None:
        await asyncio.Event().wait()

    async with scene_before(engine) as agent:
        peer = await agent.peer()
        answer = await peer.over(await peer.open(b"{}", ms=50))
        assert agent.node.requests == 0

    assert code_of(answer) == (SILENT, False)


async def test_status_of_the_engine_is_an_answer_and_no_fault() -> None:
    async with scene() as agent:
        peer = await agent.peer()
        answer = await peer.over(await peer.open(ask("x", model="sim-5xx"), model="sim-5xx"))

    assert answer.status == 500
    assert json.loads(answer.body)["error"]["message"] == "the engine failed"


async def raw(said: bytes) -> tuple[asyncio.Server, Address]:
    """An engine that says these bytes to whoever asks, and hangs up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    return server, Address("127.0.0.1", port, "/v1", is_secured=False)


WHOLE = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\nx-a: b\r\n\r\n0123456789"


@pytest.mark.parametrize(
    ("said", "code"),
    [
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n\r\n", PROTOCOL, id="another protocol"),
        pytest.param(b"HTTP/1.1 OK\r\n\r\n", PROTOCOL, id="no status"),
        pytest.param(b"", RESET, id="nothing"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70_000 + b"\r\n\r\n", LARGE, id="an endless head"
        ),
    ],
)
async def test_what_is_no_answer_is_named_by_what_it_is(said: bytes, code: int) -> None:
    async with scene() as agent:
        server, agent.stand.engine.address = await raw(said)
        peer = await agent.peer()
        answer = await peer.over(await peer.open(ask("x")))
        server.close()

    assert code_of(answer) in {(code, False), (RESET, False)}


async def test_engine_that_dies_at_any_byte_never_passes_for_a_whole_answer() -> None:
    dice = random.Random(3)
    async with scene() as agent:
        peer = await agent.peer()
        for cut in sorted(dice.sample(range(len(WHOLE)), 25)):
            server, agent.stand.engine.address = await raw(WHOLE[:cut])
            answer = await peer.over(await peer.open(ask("x")))
            server.close()
            assert code_of(answer) in {(RESET, False), (PROTOCOL, False)}, cut
            assert len(answer.body) < 10
        server, agent.stand.engine.address = await raw(WHOLE)
        answer = await peer.over(await peer.open(ask("x")))
        server.close()

    assert (answer.ended, answer.body) == (True, b"0123456789")


async def test_failing_requests_do_not_disturb_those_beside_them() -> None:
    async with scene(slots=64) as agent:
        peer = await agent.peer()
        asked: dict[str, Answer] = {}
        for number in range(12):
            text = f"fine {number}"
            asked[text] = await peer.open(ask(text, max_tokens=30, stream=True))
            model = ("sim-break", "sim-refuse", "sim-wrong-length")[number % 3]
            await peer.open(ask("bad", model=model, stream=True), model=model)
        for answer in list(peer.answers.values()):
            await peer.over(answer)

    for text, answer in asked.items():
        assert answer.ended
        digits = mark(text)[1:5]
        assert digits in answer.body.decode()


async def test_loading_model_is_kept_from_requests() -> None:
    async with scene() as agent:
        loading = [
            one.__class__(one.name, "loading", "still loading") for one in agent.stand.seen.models
        ]
        agent.stand.seen = agent.stand.seen.__class__(models=tuple(loading))
        peer = await agent.peer()
        answer: Any = await peer.over(await peer.open(ask("x")))

    assert answer.reset == (UNREACHABLE, True, "still loading")
