"""The way that the crash suite cuts: whom it leads to, and what it lets through."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from tests.chaos.relay import Relay
from xerotier_site.embedded.launch import free_port

pytestmark = pytest.mark.anyio

LINK = b"GET /agents/v1/tunnel HTTP/1.1\r\nHost: x\r\n\r\n"
ENROL = b"POST /v1/enroll HTTP/1.1\r\nHost: x\r\n\r\n"
PATIENCE_S = 30
SILENCE_S = 0.2


def named(name: bytes) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    """Return a server that says its name, and then whatever it hears."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(name)
        while data := await reader.read(100):
            writer.write(data)
        writer.close()

    return serve


@asynccontextmanager
async def relay_to(*names: bytes, gone: int = 0) -> AsyncIterator[Relay]:
    """Lead to gateways of these names, ``gone`` of them without anybody there."""
    servers = [await asyncio.start_server(named(name), "127.0.0.1", 0) for name in names]
    ports = [server.sockets[0].getsockname()[1] for server in servers]
    relay = Relay("127.0.0.1", [*(free_port() for _ in range(gone)), *ports[1:]], ports[0])
    await relay.start()
    try:
        yield relay
    finally:
        relay.stop()
        for server in servers:
            server.close()
        await asyncio.sleep(0)


async def opened(relay: Relay, head: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
    writer.write(head)
    return reader, writer


async def heard(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(PATIENCE_S):
        return await reader.read(1)


async def ended(reader: asyncio.StreamReader) -> bool:
    try:
        return await heard(reader) == b""
    except ConnectionResetError:
        return True


async def answered(relay: Relay, head: bytes) -> bytes:
    reader, writer = await opened(relay, head)
    try:
        return await heard(reader)
    finally:
        writer.close()


async def test_links_go_to_gateways_in_turn_and_all_else_to_the_control_plane() -> None:
    async with relay_to(b"c", b"1", b"2") as relay:
        assert [await answered(relay, LINK) for _ in range(4)] == [b"1", b"2", b"1", b"2"]
        assert await answered(relay, ENROL) == b"c"


async def test_gateway_that_is_gone_is_passed_over() -> None:
    async with relay_to(b"c", b"1", gone=1) as relay:
        assert [await answered(relay, LINK) for _ in range(3)] == [b"1", b"1", b"1"]


async def test_what_is_held_arrives_when_it_may_pass() -> None:
    async with relay_to(b"c", b"1") as relay:
        reader, writer = await opened(relay, LINK)
        assert await heard(reader) == b"1"
        relay.hold()
        writer.write(b"x")
        late = asyncio.ensure_future(heard(reader))
        done, _ = await asyncio.wait([late], timeout=SILENCE_S)
        assert not done
        relay.let_pass()
        assert await late == b"x"
        writer.close()


async def test_closed_link_ends_for_the_machine_and_the_next_one_works() -> None:
    async with relay_to(b"c", b"1") as relay:
        reader, writer = await opened(relay, LINK)
        assert await heard(reader) == b"1"
        relay.close_links()
        assert await ended(reader)
        writer.close()
        assert await answered(relay, LINK) == b"1"
