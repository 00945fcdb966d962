"""What is guarded: an agent on its link gives each request its own answer, and nothing else."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import struct
from typing import Any

import msgpack
import pytest

from link_scene import scene, scene_before
from scripted_gateway import (
    ASSIGN,
    CREDIT,
    DATA,
    FIN,
    OPEN,
    PING,
    PONG,
    RESET,
    TOKEN,
    WINDOW,
    Answer,
    frame,
    opening,
)
from xim.web.server import Asked, Reply

pytestmark = pytest.mark.anyio


def ask(text: str, **more: Any) -> bytes:
    said = [{"role": "user", "content": text}]
    return json.dumps({"model": "sim", "messages": said, **more}).encode()


def mark(text: str) -> str:
    return f"[{hashlib.sha256(text.encode()).hexdigest()[:12]}]"


async def test_first_state_says_all_of_the_machine_and_later_ones_leave_the_facts_out() -> None:
    async with scene() as agent:
        peer = await agent.peer()
        agent.keeper.changed()
        await peer.until(lambda: len(peer.states) > 1)

    first, second = peer.states[0], peer.states[1]
    assert first["facts"] == {"hostname": "here", "cpus": 2}
    assert "facts" not in second
    assert (first["seq"], second["seq"]) == (0, 1)
    assert first["boot"] == peer.hello["boot"]
    assert first["models"][0]["name"] == "sim"
    assert first["models"][0]["operations"] == ["chat/completions", "completions"]
    assert (first["slots"], first["drain"], first["kv"]) == (8, False, None)
    assert first["engine"]["kind"] == "sim"


async def test_answer_comes_back_with_status_and_lines() -> None:
    async with scene() as agent:
        peer = await agent.peer()
        answer = await peer.over(await peer.open(ask("hello", max_tokens=20)))

    assert answer.status == 200
    assert b"content-type: application/json\r\n" in answer.lines
    assert b"transfer-encoding" not in answer.lines.lower()
    assert mark("hello") in json.loads(answer.body)["choices"][0]["message"]["content"]


async def test_every_stream_gets_its_own_bytes_however_many_run_at_once() -> None:
    async with scene(slots=64) as agent:
        peer = await agent.peer()
        texts = [f"question {number}" for number in range(64)]
        answers = [await peer.open(ask(text, max_tokens=30, stream=True)) for text in texts]
        for answer in answers:
            await peer.over(answer)

    for text, answer in zip(texts, answers, strict=True):
        assert answer.ended
        assert mark(text) in text_of(answer)
        assert answer.body.endswith(b"data: [DONE]\n\n")


@pytest.mark.slow  # ten million bytes
async def test_link_of_64_streams_gives_each_its_own_of_ten_million_random_bytes() -> None:
    size = 10_000_000 // 64

    def bytes_of(number: int) -> bytes:
        return random.Random(number).randbytes(size)

    async def engine(asked: Asked, reply: Reply) -> None:
        dice = random.Random(asked.body)
        body = bytes_of(int(asked.body))
        await reply.begin(200, "application/octet-stream", dice.choice([None, size]))
        while body:
            count = dice.randint(1, 40_000)
            await reply.piece(body[:count])
            body = body[count:]
        await reply.end()

    async with scene_before(engine, slots=64) as agent:
        peer = await agent.peer()
        answers = [await peer.open(str(number).encode()) for number in range(64)]
        for answer in answers:
            await peer.over(answer)

    for number, answer in enumerate(answers):
        assert answer.body == bytes_of(number), number


def text_of(answer: Answer) -> str:
    events = [line for line in answer.body.decode().split("\n\n") if line.startswith("data: {")]
    chunks = [json.loads(event[6:])["choices"] for event in events]
    return "".join(one[0]["delta"].get("content") or "" for one in chunks if one)


async def test_body_in_pieces_arrives_whole_and_is_credited_as_it_is_read() -> None:
    bodies: list[bytes] = []

    async def engine(asked: Asked, reply: Reply) -> None:
        bodies.append(asked.body)
        await reply.json(200, {"length": len(asked.body)})

    body = bytes(range(256)) * 4096
    async with scene_before(engine) as agent:
        peer = await agent.peer()
        answer = await upload(peer, body)
        await peer.over(answer)

    assert bodies == [body]
    assert json.loads(answer.body) == {"length": len(body)}


async def upload(peer: Any, body: bytes) -> Answer:
    """Send a body as the contract wants it: never beyond what was granted."""
    peer.opened += 1
    stream, sent, granted = peer.opened, 0, WINDOW
    answer = peer.answers[stream] = Answer()
    await peer.send(frame(OPEN, opening(length=len(body)), stream))
    while sent < len(body):
        granted = max(
            [granted, *(struct.unpack(">Q", p)[0] for k, p in peer.others if k == CREDIT)]
        )
        piece = body[sent : min(sent + 16_384, granted)]
        if not piece:
            count = len(peer.others)
            await peer.until(lambda count=count: len(peer.others) > count)
            continue
        sent += len(piece)
        flags = FIN if sent == len(body) else 0
        await peer.send(frame(DATA, piece, stream, flags))
    return answer


async def test_answer_stops_at_what_was_granted_and_goes_on_with_more() -> None:
    size = 400_000

    async def engine(_: Asked, reply: Reply) -> None:
        await reply.whole(200, b"x" * size)

    async with scene_before(engine) as agent:
        peer = await agent.peer()
        peer.credits = False
        stalled = await peer.open()
        await peer.until(lambda: len(stalled.body) == WINDOW)
        peer.credits = True
        other = await peer.over(await peer.open())
        assert len(stalled.body) == WINDOW
        stalled.granted = 2 * WINDOW
        await peer.send(frame(CREDIT, struct.pack(">Q", 2 * WINDOW), 1))
        await peer.over(stalled)

    assert len(other.body) == len(stalled.body) == size


async def test_more_than_was_granted_ends_that_stream_and_no_other() -> None:
    async def engine(_: Asked, reply: Reply) -> None:
        await reply.json(200, {})

    async with scene_before(engine) as agent:
        peer = await agent.peer()
        peer.opened += 1
        greedy = peer.answers[1] = Answer()
        flood = [frame(DATA, b"x" * 16_384, 1) for _ in range(12)]
        await peer.send(frame(OPEN, opening(length=1 << 20), 1), *flood)
        await peer.over(greedy)
        fine = await peer.over(await peer.open())

    assert greedy.reset is not None
    assert greedy.reset[0] == 9
    assert fine.status == 200


async def test_machine_whose_slots_are_taken_says_busy_and_untouched() -> None:
    async with scene(slots=1) as agent:
        peer = await agent.peer()
        await peer.open(ask("first", model="sim-hang"), model="sim-hang")
        await peer.until(lambda: agent.node.requests == 1)
        second = await peer.over(await peer.open(ask("second")))

    assert second.reset is not None
    assert second.reset[:2] == (2, True)


async def test_question_whether_the_engine_lives_takes_no_slot() -> None:
    async with scene(slots=1) as agent:
        peer = await agent.peer()
        await peer.open(ask("first", model="sim-hang"), model="sim-hang")
        await peer.until(lambda: agent.node.requests == 1)
        probe = await peer.over(await peer.open(b"", method="GET", path="/models", model=""))

    assert probe.status == 200
    assert json.loads(probe.body)["object"] == "list"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        pytest.param({"model": "nobody"}, 10, id="unknown model"),
        pytest.param({"path": "/../admin"}, 10, id="path outside the API"),
        pytest.param({"path": "//elsewhere/x"}, 10, id="path of another host"),
        pytest.param({"method": "DELETE"}, 10, id="method that changes the engine"),
    ],
)
async def test_what_is_not_served_is_refused_untouched(words: dict[str, str], code: int) -> None:
    async with scene() as agent:
        peer = await agent.peer()
        answer = await peer.over(await peer.open(ask("x"), **words))

    assert answer.reset is not None
    assert answer.reset[:2] == (code, True)


async def test_cancelled_request_leaves_the_engine_at_once() -> None:
    gone, here = asyncio.Event(), asyncio.Event()

    async def engine(_: Asked, __: Reply) -> None:
        here.set()
        try:
            await asyncio.Event().wait()
        finally:
            gone.set()

    async with scene_before(engine) as agent:
        peer = await agent.peer()
        await peer.open()
        await here.wait()
        await peer.send(frame(RESET, struct.pack(">H", 1), 1))
        async with asyncio.timeout(10):
            await gone.wait()
        assert agent.node.requests == 0


async def test_lines_of_the_link_never_reach_the_engine_and_the_key_does() -> None:
    heads: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 204 No Content\r\nx-extra: 1\r\nconnection: close\r\n\r\n")
        writer.close()

    async with scene() as agent:
        server = await asyncio.start_server(listen, "127.0.0.1", 0)
        agent.stand.engine.address = type(agent.stand.engine.address)(
            "127.0.0.1", server.sockets[0].getsockname()[1], "/v1", is_secured=False
        )
        agent.stand.engine.key = "engine-key"
        peer = await agent.peer()
        lines = b"x-request-id: req_7\r\nAuthorization: Bearer tenant\r\nHost: elsewhere\r\n"
        answer = await peer.over(await peer.open(b"{}", lines=lines))
        server.close()

    assert answer.status == 204
    assert answer.lines == b"x-extra: 1\r\n"
    said = heads[0].lower()
    assert said.startswith(b"post /v1/chat/completions http/1.1\r\n")
    assert b"x-request-id: req_7\r\n" in said
    assert b"authorization: bearer engine-key\r\n" in said
    assert b"tenant" not in said
    assert b"elsewhere" not in said
    assert b"content-length: 2\r\n" in said


async def test_ping_is_answered_with_its_own_bytes() -> None:
    async with scene() as agent:
        peer = await agent.peer()
        await peer.send(frame(PING, b"12345678"))
        await peer.until(lambda: (PONG, b"12345678") in peer.others)


async def test_renewed_token_is_told_on_the_link_that_lives() -> None:
    async with scene() as agent:
        peer = await agent.peer()
        agent.keeper.renewed("token-new")
        await peer.until(lambda: peer.others)

    assert peer.others == [(TOKEN, msgpack.packb({"token": "token-new"}))]


async def test_last_assignment_wins() -> None:
    async with scene() as agent:
        peer = await agent.peer()
        for version, state in enumerate(("pending", "active")):
            said = {"version": version, "state": state, "models": ["sim"]}
            await peer.send(frame(ASSIGN, msgpack.packb(said)))
        await peer.send(frame(PING, b"00000000"))
        await peer.until(lambda: peer.others)

    assert agent.node.assignment is not None
    assert (agent.node.assignment.version, agent.node.assignment.state) == (1, "active")


async def test_frames_of_streams_that_are_over_are_dropped() -> None:
    async with scene() as agent:
        peer = await agent.peer()
        await peer.over(await peer.open(ask("one", max_tokens=4)))
        await peer.send(frame(DATA, b"late", 1), frame(CREDIT, struct.pack(">Q", 1 << 20), 1))
        again = await peer.over(await peer.open(ask("two", max_tokens=4)))
        dropped = agent.keeper.links[0].session.dropped

    assert again.status == 200
    assert dropped == 2
