"""Nobody's slowness becomes our memory: back-pressure from end to end."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from typing import Any

import pytest

from inference.exchange.config import PlaneConfig
from tests.plane.caller import Connection, request
from tests.plane.conftest import Hire, Running, departure, serve, until
from tests.plane.test_departures import BOUND_S
from tests.plane.workers import SSE_HEAD, answer, chunk, completion
from tests.plane.world import CHAT, KEY, STREAM, World

pytestmark = pytest.mark.anyio

PIECE = b"data: " + b"x" * 60_000 + b"\n\n"


async def stalled(port: int) -> Connection:
    """Connect with a small window, and read nothing by ourselves."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    return Connection(*await asyncio.open_connection(sock=sock, limit=8192))


async def test_caller_that_does_not_read_stops_its_worker_and_costs_little_memory(
    running: Running, hire: Hire
) -> None:
    worker = await hire([SSE_HEAD, *[chunk(PIECE)] * 400, ...])
    caller = await stalled(running.port)
    running.connections.append(caller)
    await caller.send(request(CHAT, STREAM, key=KEY))
    await worker.arrived.wait()

    protocol = await _settled(running)

    assert protocol.transport.get_write_buffer_size() < 256 * 1024
    assert not worker.asked[0].left.is_set()


async def _settled(running: Running) -> Any:
    protocol: Any
    [protocol] = running.server.server_state.connections
    await until(lambda: protocol.flow.write_paused)
    size = -1
    while size != protocol.transport.get_write_buffer_size():
        size = protocol.transport.get_write_buffer_size()
        await asyncio.sleep(0.05)
    return protocol


async def test_caller_that_reads_again_gets_everything(running: Running, hire: Hire) -> None:
    whole = PIECE * 100
    await hire([SSE_HEAD, *[chunk(PIECE)] * 100, chunk(b"data: [DONE]\n\n"), b"0\r\n\r\n"])
    caller = await stalled(running.port)
    running.connections.append(caller)
    await caller.send(request(CHAT, STREAM, key=KEY))
    await _settled(running)

    heard = await caller.answer()

    assert heard.body == whole + b"data: [DONE]\n\n"
    assert heard.complete


async def test_stalled_caller_is_left_after_a_while(
    config: PlaneConfig, world: World, hire: Hire
) -> None:
    worker = await hire([SSE_HEAD, *[chunk(PIECE)] * 400, ...])
    waits = replace(config.waits, stalled_caller_s=0.2, silence_s=0.1)

    async with serve(replace(config, waits=waits)) as running:
        caller = await stalled(running.port)
        running.connections.append(caller)
        await caller.send(request(CHAT, STREAM, key=KEY))

        await asyncio.wait_for(worker.arrived.wait(), 3)
        await asyncio.wait_for(worker.asked[0].left.wait(), 3)

    await until(world.events)
    assert world.events()[0]["ending"] == "caller_left"


async def test_caller_that_leaves_while_we_hold_it_back_is_noticed(
    running: Running, hire: Hire
) -> None:
    worker = await hire([...])
    caller = await running.connect()
    await caller.send(request(CHAT, STREAM, key=KEY))
    await asyncio.wait_for(worker.arrived.wait(), 3)
    await caller.send(b"".join(request(CHAT, STREAM, key=KEY) for _ in range(8)))
    protocol: Any
    [protocol] = running.server.server_state.connections
    await until(lambda: protocol.flow.read_paused)

    left_at = await departure(running, caller.writer.write_eof)
    await asyncio.wait_for(worker.asked[0].left.wait(), 3)

    assert worker.asked[0].left_at - left_at < BOUND_S
    assert len(worker.asked) == 1


async def test_large_body_passes_and_a_larger_one_is_refused_while_it_comes(
    config: PlaneConfig, world: World, hire: Hire
) -> None:
    worker = await hire([answer(completion())])
    bounds = replace(config.bounds, body_bytes=1_000_000)
    chat = b'{"model":"m","messages":[{"role":"user","content":"%s"}]}'

    async with serve(replace(config, bounds=bounds)) as running:
        fits = await running.ask(request(CHAT, chat % (b"x" * 900_000), key=KEY))
        caller = await running.connect()
        await caller.send(
            request(CHAT, key=KEY, headers={"Transfer-Encoding": "chunked"})
            + chunk(chat.partition(b"%s")[0] + b"x" * 600_000)
            + chunk(b"x" * 600_000)
        )
        refused = await caller.answer()

    assert fits.status == 200
    assert (refused.status, refused.error["code"]) == (413, "request_too_large")
    assert len(worker.asked) == 1
