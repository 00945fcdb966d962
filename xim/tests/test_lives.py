"""What is guarded: links are lost and found again as agreed, and an agent ends in order."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgpack
import pytest

from link_scene import Scene, agent_of, node_for, scene, scene_before
from scripted_gateway import ASSIGN, DRAIN, Gateway, frame, opening
from test_link import ask, mark
from xim.agent.keeper import Keeper
from xim.faults import PROTOCOL, REVOKED
from xim.link import connection, timing
from xim.link.connection import Connection, Life, Where
from xim.link.endings import Next
from xim.web.server import Asked, Reply

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def idle(gateway: Gateway) -> AsyncIterator[Scene]:
    """An agent without an engine: these tests are about links."""
    async with gateway.open(), agent_of(gateway, node_for(1)) as agent:
        yield agent


async def test_lost_link_is_dialled_again_by_the_same_boot_with_a_higher_epoch() -> None:
    gateway = Gateway()
    async with idle(gateway):
        first = await gateway.link()
        await first.wire.close(1012)
        second = await gateway.link(2)

    assert first.hello["boot"] == second.hello["boot"]
    assert first.hello["epoch"] < second.hello["epoch"]
    assert "facts" in second.states[0]


async def test_token_that_is_not_accepted_is_renewed_before_the_next_try() -> None:
    gateway = Gateway()
    async with idle(gateway) as agent:
        first = await gateway.link()
        await first.wire.close(4401)
        second = await gateway.link(2)

    assert agent.renewals == ["token-1"]
    assert second.hello["token"] == "token-2"


async def test_revoked_agent_stops_and_does_not_dial_again() -> None:
    gateway = Gateway()
    async with idle(gateway) as agent:
        first = await gateway.link()
        await first.wire.close(4403)
        stop = await asyncio.wait_for(agent.keeper.lost, 20)

    assert stop.code == REVOKED
    assert "enrol it anew" in str(stop)
    assert gateway.dials == 1


async def test_agent_older_than_the_protocol_says_so_and_stops() -> None:
    gateway = Gateway()
    gateway.versions = [2, 3]
    async with idle(gateway) as agent:
        stop = await asyncio.wait_for(agent.keeper.lost, 20)

    assert stop.code == PROTOCOL
    assert "version" in str(stop)


async def test_agent_holds_one_link_to_each_gateway_behind_an_address() -> None:
    gateway = Gateway(gateways=3)
    gateway.names = ["gw_1", "gw_1", "gw_2", "gw_2", "gw_1"]
    gateway.name = "gw_3"
    async with idle(gateway) as agent:
        await gateway.link(3)
        held = sorted(link.gateway for link in agent.keeper.links if link.live_at is not None)
        assert [peer.close_code for peer in gateway.peers] == [None, None, None]

    assert held == ["gw_1", "gw_2", "gw_3"]


async def test_link_to_a_gateway_that_is_held_already_is_let_go_before_it_is_one() -> None:
    gateway = Gateway(gateways=2)
    async with idle(gateway) as agent:
        peer = await gateway.link()
        await peer.until(lambda: gateway.dials >= 3)
        held = [link for link in agent.keeper.links if link.live_at is not None]

    assert len(held) == len(gateway.peers) == 1
    assert set(gateway.unsaid) == {1000}


async def test_agent_dials_no_more_once_it_hears_that_a_gateway_is_gone() -> None:
    gateway = Gateway(gateways=2)
    async with idle(gateway) as agent:
        peer = await gateway.link()
        await peer.until(lambda: gateway.dials >= 2)
        said = {"version": 1, "state": "active", "models": [], "gateways": 1}
        await peer.send(frame(ASSIGN, msgpack.packb(said)))
        await peer.until(lambda: len(agent.keeper.links) == 1)
        await asyncio.sleep(0.1)  # One that was under way may still end.
        dials = gateway.dials
        await asyncio.sleep(2)
        assert gateway.dials == dials

        await peer.send(frame(ASSIGN, msgpack.packb({**said, "gateways": 2})))
        await peer.until(lambda: gateway.dials > dials)


async def test_lost_link_is_replaced_whatever_the_number_of_its_seat() -> None:
    gateway = Gateway(gateways=2)
    gateway.names, gateway.name = ["gw_1", "gw_2"], "gw_3"
    async with idle(gateway) as agent:
        first, _ = await gateway.link(1), await gateway.link(2)
        await first.wire.close(1011)
        await gateway.link(3)
        dials = gateway.dials
        await asyncio.sleep(1)
        held = sorted(link.gateway for link in agent.keeper.links if link.live_at is not None)

    assert held == ["gw_2", "gw_3"]
    assert gateway.dials == dials == 3


async def test_gateway_that_drains_is_replaced_first_and_its_streams_end_in_peace() -> None:
    release = asyncio.Event()

    async def engine(_: Asked, reply: Reply) -> None:
        await release.wait()
        await reply.json(200, {"served": True})

    async with scene_before(engine) as agent:
        first = await agent.peer()
        slow = await first.open()
        said = {"reason": "restart", "spread_ms": 10, "last": 1}
        await first.send(frame(DRAIN, msgpack.packb(said)))
        second = await agent.gateway.link(2)
        assert not slow.is_over
        release.set()
        await first.over(slow)
        quick = await second.over(await second.open())
        await first.until(lambda: first.close_code is not None)

    assert json.loads(slow.body) == json.loads(quick.body) == {"served": True}
    assert first.close_code == 1000


async def test_draining_agent_refuses_untouched_finishes_what_runs_and_says_goodbye() -> None:
    release = asyncio.Event()

    async def engine(_: Asked, reply: Reply) -> None:
        await release.wait()
        await reply.json(200, {"served": True})

    async with scene_before(engine) as agent:
        peer = await agent.peer()
        running = await peer.open()
        await peer.until(lambda: agent.node.requests == 1)
        agent.node.drains = True
        agent.keeper.drain("stopping")
        await peer.until(lambda: peer.others and peer.states[-1]["drain"])
        late = await peer.over(await peer.open())
        release.set()
        await peer.over(running)
        await peer.until(lambda: peer.close_code is not None)

    assert (peer.others[0][0], msgpack.unpackb(peer.others[0][1])["last"]) == (DRAIN, 1)
    assert late.reset is not None
    assert late.reset[:2] == (3, True)
    assert running.status == 200
    assert peer.close_code == 1000
    assert agent.gateway.dials == 1


async def test_silent_gateway_is_given_up_and_dialled_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(timing, "SILENCE_S", 1.5)
    monkeypatch.setattr(connection, "WATCH_S", 0.05)
    gateway = Gateway()
    async with idle(gateway):
        first = await gateway.link()
        await gateway.link(2)

    assert first.close_code == 4408


@pytest.mark.parametrize("message", [b"\x99\0\0\0\0\0", b"\x12\0\0\0\0\x09", "text"])
async def test_hostile_frame_ends_its_link_and_the_next_one_serves(message: bytes | str) -> None:
    async with scene() as agent:
        first = await agent.peer()
        await first.wire.send(message)
        await first.until(lambda: first.close_code is not None)
        second = await agent.gateway.link(2)
        answer = await second.over(await second.open(ask("still there?", max_tokens=20)))

    assert first.close_code in {1003, 4400}
    assert mark("still there?") in answer.body.decode()


async def test_frame_beyond_all_bounds_ends_its_link() -> None:
    gateway = Gateway()
    async with idle(gateway):
        first = await gateway.link()
        await first.wire.send(b"x" * 200_000)
        await first.until(lambda: first.close_code is not None)
        await gateway.link(2)

    assert first.close_code == 1009


async def test_gateway_that_can_not_be_reached_is_said_in_words_and_tried_again() -> None:
    life = Life(chance=random.Random(1))
    link = Connection(node_for(1), 1, life)

    ending = await link.run(Where("ws://127.0.0.1:1/agents/v1/tunnel", None))

    assert ending.next is Next.BACK_OFF
    assert "can't be reached" in ending.words


async def test_address_without_a_tunnel_is_said_so() -> None:
    async def web(_: Asked, reply: Reply) -> None:
        await reply.json(404, {})

    async with scene_before(web) as agent:
        port = agent.stand.engine.address.port
        link = Connection(agent.node, 1, Life())
        ending = await link.run(Where(f"ws://127.0.0.1:{port}/agents/v1/tunnel", None))

    assert ending.next is Next.BACK_OFF
    assert ending.words == "there is no tunnel at that address (status 404)"


async def test_link_cut_at_any_byte_hangs_no_request_and_the_next_one_serves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(timing, "BACK_OFF_MOST_S", 0.05)
    dice = random.Random(7)
    async with scene(slots=64) as agent:
        for number in range(1, 13):
            peer = await agent.gateway.link(number)
            for count in range(dice.randint(1, 4)):
                await peer.open(ask(f"{number} {count}", stream=True, max_tokens=50))
            whole = frame(0x10, opening(b"x" * 9000), peer.opened + 1, 1)
            wire = peer.wire.transport
            head = bytes([0x82, 126]) + len(whole).to_bytes(2)
            wire.write((head + whole)[: dice.randint(0, len(whole))])
            await asyncio.sleep(dice.random() * 0.05)
            wire.abort()
        last = await agent.gateway.link(13)
        answer = await last.over(await last.open(ask("whole", max_tokens=20)))
        assert agent.node.requests == 0

    assert mark("whole") in answer.body.decode()


async def test_state_of_many_models_still_fits_its_frame() -> None:
    gateway = Gateway()
    node = node_for(1, models=tuple(f"model-{number}-{'x' * 60}" for number in range(64)))
    async with gateway.open(), agent_of(gateway, node):
        peer = await gateway.link()

    assert 10 < len(peer.states[0]["models"]) < 64


async def test_keeper_without_a_link_ends_at_once_when_it_drains() -> None:
    async def renew() -> None:
        raise AssertionError

    keeper = Keeper(node_for(1), Where("ws://127.0.0.1:1/", None), renew)
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        task = group.create_task(keeper.run())
        await asyncio.sleep(0.05)
        keeper.drain("stopping")
        await task

    assert keeper.links == []
