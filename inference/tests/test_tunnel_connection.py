"""A link's connection on a real socket: what strangers, slow readers and lost ends come to."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from inference.fleet.fleet import Fleet
from inference.fleet.tunnel import frames
from inference.fleet.tunnel.config import TunnelConfig
from inference.fleet.tunnel.transport import TunnelTransport
from inference.tests.asker import Asker
from inference.tests.dialled_agent import AgentStream, DialledAgent
from inference.tests.fleets import LOOPS, PATH, until
from inference.tests.identities import Identity
from inference.tests.tunnels import Gate, agent_worker, gate

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024


@pytest.fixture(params=LOOPS, ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> object:
    return request.param


@asynccontextmanager
async def stranger(opened: Gate) -> AsyncIterator[ClientConnection]:
    async with connect(opened.url, compression=None, proxy=None, ping_interval=None) as socket:
        kind, *_ = frames.read_head(await socket.recv(decode=False))
        assert kind == frames.CHALLENGE
        yield socket


async def closed_with(socket: ClientConnection) -> tuple[int, str]:
    with pytest.raises(ConnectionClosed) as fault:
        async with asyncio.timeout(5):
            await socket.recv()
    assert fault.value.rcvd is not None
    return fault.value.rcvd.code, fault.value.rcvd.reason


async def silent(stream: AgentStream) -> None:
    await stream.whole()


@pytest.mark.parametrize(
    ("message", "code"),
    [
        pytest.param("text", 1003, id="text"),
        pytest.param(b"x" * (frames.MESSAGE_MAX + 1), 1009, id="too large"),
        pytest.param(b"short", 4400, id="no frame"),
        pytest.param(frames.frame(frames.HELLO, b"\x80"), 4400, id="an empty hello"),
    ],
)
async def test_what_is_not_spoken_here_is_told_by_the_code_of_the_close(
    message: str | bytes, code: int
) -> None:
    async with gate() as opened, stranger(opened) as socket:
        await socket.send(message)

        assert (await closed_with(socket))[0] == code
        await until(lambda: not len(opened.links))
    assert opened.links.counts.closed == {code: 1}


async def test_fragments_are_refused() -> None:
    async with gate() as opened, stranger(opened) as socket:
        await socket.send(iter([b"one", b"two"]))

        assert await closed_with(socket) == (1002, "a message in fragments")


async def test_ping_of_the_socket_is_answered_and_a_close_is_answered_by_one() -> None:
    async with gate() as opened, stranger(opened) as socket:
        async with asyncio.timeout(5):
            await (await socket.ping())
        await socket.close(1001, "bye")

        assert socket.close_code == 1001
        await until(lambda: not len(opened.links))
    assert opened.heard.left == [(1001, "the agent closed it: bye")]


async def test_codes_that_strangers_make_up_are_counted_as_one() -> None:
    async with gate() as opened:
        for code in (3000, 3001, 4999):
            async with stranger(opened) as socket:
                await socket.close(code)
        await until(lambda: not len(opened.links))

    assert opened.links.counts.closed == {0: 3}


async def test_who_never_says_hello_is_let_go() -> None:
    async with gate(TunnelConfig(hello_s=0.05)) as opened, stranger(opened) as socket:
        assert await closed_with(socket) == (4408, "no HELLO in time")


async def test_who_hears_no_farewell_is_cut_all_the_same() -> None:
    async with gate(TunnelConfig(farewell_s=0.05)) as opened:
        reader, writer = await asyncio.open_connection(*opened.address)
        writer.write(
            b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"\x81\x80\0\0\0\0")
        async with asyncio.timeout(5):
            rest = await reader.read()

        assert b"\x88" in rest
        writer.close()


async def test_lost_connection_fails_what_ran_at_once() -> None:
    async with gate() as opened:
        fleet, worker = Fleet([TunnelTransport(opened.links)]), agent_worker("w1", "agt_1")
        async with DialledAgent(Identity(opened.platform), opened.url, silent) as agent:
            await until(lambda: fleet.is_open(worker))
            asker = Asker()
            fleet.ask(worker, PATH, b"", b"{}", asker)
            await until(lambda: bool(agent.streams))
            agent.cut()
            await asker.finished()

    assert asker.failure is not None
    assert asker.failure.reason == "reset"
    assert opened.heard.left[0][0] == 1006


async def test_agent_that_reads_nothing_slows_its_uploads_and_not_what_it_says() -> None:
    async with gate() as opened:
        fleet, worker = Fleet([TunnelTransport(opened.links)]), agent_worker("w1", "agt_1")
        async with DialledAgent(Identity(opened.platform), opened.url, silent) as agent:
            await until(lambda: fleet.is_open(worker))
            body, askers = bytes(MIB), [Asker() for _ in range(64)]
            agent.stop_reading()
            for asker in askers:
                fleet.ask(worker, PATH, b"", body, asker)
            for seq in range(2, 30):
                await agent.state(waiting=seq)
            [link] = opened.links.every()
            await until(lambda: link.said is not None and link.said.waiting == 29)

            assert opened.unsent() < 300 * 1024  # A portion and the heads, not 64 MiB.
            agent.read_on()
            for asker in askers:
                assert not asker.over.is_set()


async def test_links_of_one_process_share_nothing_but_their_bounds() -> None:
    go_on = asyncio.Event()

    async def flood(stream: AgentStream) -> None:
        await stream.head()
        await stream.data(bytes(8 * MIB), is_last=True)

    async def quick(stream: AgentStream) -> None:
        await stream.whole()
        await stream.head()
        await stream.data(b"done", is_last=True)
        go_on.set()

    async with gate() as opened:
        fleet = Fleet([TunnelTransport(opened.links)])
        first, second = (Identity(opened.platform, name) for name in ("agt_1", "agt_2"))
        async with (
            DialledAgent(first, opened.url, flood),
            DialledAgent(second, opened.url, quick),
        ):
            workers = [agent_worker(f"w{n}", f"agt_{n}") for n in (1, 2)]
            await until(lambda: all(fleet.is_open(worker) for worker in workers))
            stalled = [Asker() for _ in range(30)]
            for asker in stalled:
                fleet.ask(workers[0], PATH, b"", b"{}", asker).pause()
            await until(lambda: opened.links.counts.bytes_in > 30 * 60 * 1024)
            asker = Asker()
            fleet.ask(workers[1], PATH, b"", b"{}", asker)
            await asker.finished()

            assert asker.body == b"done"
            assert opened.links.room.used <= 31 * 64 * 1024
            assert opened.links.counts.bytes_in < 30 * 66 * 1024 + 64 * 1024


async def test_sixty_four_streams_of_one_link_each_bring_their_own_ten_million_bytes_in_all() -> (
    None
):
    bodies = {str(number): random.Random(number).randbytes(160_000) for number in range(64)}

    async def echo(stream: AgentStream) -> None:
        body = bodies[(await stream.whole()).decode()]
        await stream.head(200, b"content-length: 160000\r\n")
        for at in range(0, len(body), 9973):
            await stream.data(body[at : at + 9973])
        await stream.data(b"", is_last=True)

    async with gate() as opened:
        fleet, worker = Fleet([TunnelTransport(opened.links)]), agent_worker("w1", "agt_1")
        async with DialledAgent(Identity(opened.platform), opened.url, echo):
            await until(lambda: fleet.is_open(worker))
            askers = {name: Asker() for name in bodies}
            for name, asker in askers.items():
                fleet.ask(worker, PATH, b"", name.encode(), asker)
            for asker in askers.values():
                await asker.finished()

    assert all(asker.ended and asker.body == bodies[name] for name, asker in askers.items())
