"""Asking by way of another gateway: what becomes of a request when that one fails, or is none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest

from inference.fleet.hop.proof import Keys
from inference.fleet.tunnel.transport import TunnelTransport
from inference.tests.asker import Asker
from inference.tests.dialled_agent import AgentStream, DialledAgent, Serve
from inference.tests.fleets import PATH, until
from inference.tests.hop_scene import Answering, Asking, answering, asking, place
from inference.tests.identities import Identity
from inference.tests.tunnels import Gate, agent_worker, gate

pytestmark = pytest.mark.anyio

WORKER = agent_worker("w1", "agt_1")
NOBODY = "unix:/nowhere/at-all"
JSON = b"content-type: application/json\r\ncontent-length: 2\r\n"


async def polite(stream: AgentStream) -> None:
    await stream.whole()
    await stream.head(200, JSON)
    await stream.data(b"ok", is_last=True)


@dataclass
class Scene:
    """Two gateways; the other has the agent's link."""

    here: Asking
    other: Answering
    gate: Gate
    links: TunnelTransport
    streams: list[AgentStream] = field(default_factory=list)

    def ask(self, body: bytes | None = b"{}", lines: bytes = b"") -> Asker:
        asker = Asker()
        self.here.fleet.ask(WORKER, PATH, lines, body, asker)
        return asker

    def load(self) -> tuple[int, int, int]:
        load = self.here.fleet.stats().workers["w1"]
        return load.asked, load.failed, load.in_flight


@asynccontextmanager
async def scene(play: Serve = polite, *, keys: Keys | None = None) -> AsyncIterator[Scene]:
    """Dial an agent in at the other gateway, and let this one know of it."""

    async def serve(stream: AgentStream) -> None:
        made.streams.append(stream)
        await play(stream)

    async with gate() as opened:
        links = TunnelTransport(opened.links)
        async with answering(links) as other:
            made = Scene(asking(keys), other, opened, links)
            async with DialledAgent(Identity(opened.platform), opened.url, serve):
                await until(lambda: links.is_open(WORKER))
                made.here.directory.replace([place(other.address)])
                yield made
            made.here.fleet.close()


async def test_request_arrives_as_it_was_asked_and_the_answer_as_it_was_given() -> None:
    lines = b"x-request-id: req_7\r\naccept: application/json\r\n"
    async with scene() as made:
        asker = await made.ask(b"x" * 300_000, lines).finished()
        [stream] = made.streams

    assert (asker.status, asker.body, asker.calls[-1]) == (200, b"ok", "end")
    assert asker.headers == [(b"content-type", b"application/json"), (b"content-length", b"2")]
    assert (stream.method, stream.path, stream.model) == ("POST", PATH, "mock")
    assert (stream.lines, stream.request_id) == (lines, "req_7")
    assert (stream.length, stream.body) == (300_000, b"x" * 300_000)


async def test_agent_with_a_link_here_is_asked_over_that_and_else_counts_as_full() -> None:
    async with scene() as made:
        fleet = made.here.fleet
        assert fleet.is_open(WORKER)
        assert (fleet.is_full(WORKER), fleet.detour(WORKER)) == (True, "free")
        both = TunnelTransport(made.gate.links, made.here.hops)
        assert (both.is_full(WORKER), both.detour(WORKER)) == (False, "")
        assert both.is_open(WORKER)
        assert made.other.host.served == 0


async def test_model_that_no_gateway_says_is_ready_is_not_asked_for() -> None:
    async with scene() as made:
        fleet = made.here.fleet
        assert not fleet.is_open(replace(WORKER, served_name="another"))
        assert fleet.load_of(WORKER) == 0
        made.here.directory.replace([place(made.other.address, mock=7)])
        assert fleet.load_of(WORKER) == 7


async def test_gateway_that_dies_in_the_middle_fails_what_it_began_after_what_came() -> None:
    async def begin(stream: AgentStream) -> None:
        await stream.head(200, b"content-type: text/event-stream\r\n")
        await stream.data(b"one")
        while True:
            stream.raise_if_over()
            stream.news.clear()
            await stream.news.wait()

    async with scene(begin) as made:
        asker = await made.ask().heard(b"one")
        made.other.host.close()
        await asker.finished()

        assert asker.calls == ["head", "data", "fail"]
        assert asker.failure is not None
        assert asker.failure.reason == "reset"
        assert made.load() == (1, 1, 0)
        await until(lambda: made.streams[0].reset is not None)


async def test_gateway_whose_lease_outlives_it_is_passed_over_for_the_next() -> None:
    async with scene() as made:
        dead = place(NOBODY, gateway="gtw_dead")
        made.here.directory.replace([dead, place(made.other.address)])
        for _ in range(4):
            assert (await made.ask().finished()).status == 200

        assert [one.gateway for one in made.here.directory.find("agt_1", "mock")] in (
            ["gtw_1"],
            ["gtw_dead", "gtw_1"],  # It was never the first.
        )


async def test_only_gateway_that_is_not_there_fails_as_untouched_and_is_asked_no_more() -> None:
    async with scene() as made:
        made.here.directory.replace([place(NOBODY)])
        asker = await made.ask().finished()

        assert asker.failure is not None
        assert asker.failure.reason == "connect"
        assert "can't be reached" in str(asker.failure)
        assert not made.here.fleet.is_open(WORKER)
        refused = await made.ask().finished()
        assert refused.failure is not None
        assert refused.failure.reason == "connect"


async def test_gateway_that_takes_connections_and_says_nothing_is_given_up() -> None:
    async with scene() as made:
        loop = asyncio.get_running_loop()
        silent = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
        port = silent.sockets[0].getsockname()[1]
        made.here.hops.patience_s = 0.05
        made.here.directory.replace([place(f"127.0.0.1:{port}", gateway="gtw_9")])
        asker = await made.ask().finished()
        silent.close()

    assert asker.failure is not None
    assert str(asker.failure) == "connect: the gateway with its link does not say what it is"


async def test_link_that_was_lost_meanwhile_is_untouched_and_forgotten() -> None:
    async with scene() as made:
        made.gate.links.close(1012, "the gateway stops")
        await until(lambda: not made.gate.links.every())
        asker = await made.ask().finished()

        assert asker.failure is not None
        assert str(asker.failure) == "connect: the gateway with its link has lost it"
        assert not asker.failure.is_declined
        assert made.here.directory.find("agt_1", "mock") == []


async def test_link_that_moved_to_a_third_gateway_is_found_there() -> None:
    async with scene() as made, gate() as third_gate:
        third_links = TunnelTransport(third_gate.links)
        async with answering(third_links, name="gtw_3") as third:
            for _ in range(4):
                both = [place(third.address, gateway="gtw_3"), place(made.other.address)]
                made.here.directory.replace(both)
                assert (await made.ask().finished()).status == 200


async def test_gateway_that_stops_declines_and_nobody_is_blamed() -> None:
    async with scene() as made:
        made.other.leaving.append(True)
        asker = await made.ask().finished()

        assert asker.failure is not None
        assert (asker.failure.reason, asker.failure.is_declined) == ("connect", True)
        assert made.load() == (1, 0, 0)
        assert made.streams == []


@pytest.mark.parametrize(
    ("code", "is_untouched", "reason", "is_declined"),
    [
        (2, True, "connect", True),
        (4, True, "connect", False),
        (5, False, "reset", False),
        (7, False, "timeout", False),
        (6, False, "protocol", False),
    ],
    ids=["busy", "unreachable", "broken", "silent", "nonsense"],
)
async def test_what_an_agent_refuses_means_the_same_by_way_of_another(
    code: int, is_untouched: bool, reason: str, is_declined: bool
) -> None:
    async def refuse(stream: AgentStream) -> None:
        await stream.give_up(code, is_untouched=is_untouched)

    async with scene(refuse) as made:
        other = place(NOBODY, gateway="gtw_9")
        made.here.directory.replace([place(made.other.address), other])
        made.here.directory.shun("gtw_9")
        asker = await made.ask().finished()

        assert asker.failure is not None
        assert (asker.failure.reason, asker.failure.is_declined) == (reason, is_declined)
        assert made.here.directory.find("agt_1", "mock") != []


async def test_two_gateways_that_each_believe_the_other_has_it_ask_once() -> None:
    async with gate() as one, gate() as two:
        here, there = asking(), asking()
        both = TunnelTransport(one.links, here.hops), TunnelTransport(two.links, there.hops)
        at_one = answering(TunnelTransport(one.links), name="gtw_a")
        async with at_one as host_a, answering(TunnelTransport(two.links), name="gtw_b") as host_b:
            here.directory.replace([place(host_b.address, gateway="gtw_b")])
            there.directory.replace([place(host_a.address, gateway="gtw_a")])
            assert all(transport.is_open(WORKER) for transport in both)
            asker = Asker()
            here.fleet.ask(WORKER, PATH, b"", b"{}", asker)
            await asker.finished()

            assert asker.failure is not None
            assert asker.failure.reason == "connect"
            assert (host_a.host.running, host_b.host.served, host_a.host.served) == (0, 0, 0)
        here.fleet.close()
        there.fleet.close()


async def test_streamed_body_goes_to_the_gateway_that_asks_and_to_no_other() -> None:
    async with scene() as made:
        gone = answering(TunnelTransport(asking().links), name="gtw_2")
        async with gone as without:
            lost = place(without.address, gateway="gtw_2")
            made.here.directory.replace([lost, place(made.other.address)])
            asker = Asker()
            call = made.here.fleet.ask(WORKER, PATH, b"", None, asker)
            assert not call.write(b"y" * 200_000)
            await asyncio.wait_for(asker.drained.wait(), 5)
            call.end()
            await asker.finished()

            assert (asker.status, made.streams[0].body) == (200, b"y" * 200_000)
            assert (made.streams[0].length, without.host.served) == (-1, 0)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
async def test_gateways_of_other_machines_meet_at_an_address_each_process_at_its_own(
    host: str,
) -> None:
    async with scene() as made, answering(made.links, where=f"{host}:0") as first:
        port = first.address.rpartition(":")[2]
        async with answering(made.links, name="gtw_2", where=f"{host}:{port}") as second:
            assert second.address != first.address
            for name, address in (("gtw_1", first.address), ("gtw_2", second.address)):
                made.here.directory.replace([place(address, gateway=name)])
                assert (await made.ask().finished()).status == 200
