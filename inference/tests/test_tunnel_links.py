"""Links of agents over their lives: how they stay trusted, and which of several is asked."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest
from msgspec import msgpack

from inference.contracts.agents import PENDING, SUSPENDED
from inference.fleet.fleet import Fleet
from inference.fleet.load import Load
from inference.fleet.tunnel import frames
from inference.fleet.tunnel.transport import TunnelTransport
from inference.routing.pick import Picker
from inference.tests.asker import Asker
from inference.tests.identities import Identity, served
from inference.tests.scripted_links import Hall, ScriptedWire, ask
from inference.tests.tunnels import agent_worker

TOKEN_FRAME = (frames.TOKEN, 0, 0, msgpack.encode({}))


@pytest.fixture
def hall() -> Hall:
    return Hall()


@pytest.fixture
def agent(hall: Hall) -> Identity:
    return Identity(hall.platform)


def takes_work(hall: Hall, wire: ScriptedWire) -> bool:
    return wire.link.takes_work(hall.now)


# ── Trust, while it lives ────────────────────────────────────────────────────────────────


def test_renewed_token_is_taken_and_says_so(hall: Hall, agent: Identity) -> None:
    wire = hall.dial(agent)
    hall.unix += 1800
    agent.now = hall.unix
    wire.say(frames.TOKEN, {"token": agent.token()})

    assert wire.out() == [TOKEN_FRAME]


@pytest.mark.parametrize("case", ["nonsense", "another agent's", "revoked"])
def test_token_that_is_not_good_ends_the_link(hall: Hall, agent: Identity, case: str) -> None:
    wire = hall.dial(agent)
    other = Identity(hall.platform, "agt_2")
    other.key, other.public = agent.key, agent.public
    token = {"nonsense": "a.b.c", "another agent's": other.token(), "revoked": agent.token()}[case]
    if case == "revoked":
        hall.platform.publish(replace(agent.entry, version=2, gone=True))
    wire.say(frames.TOKEN, {"token": token})

    assert wire.closed is not None
    assert wire.closed[0] == (4403 if case == "revoked" else 4401)


def test_tokens_are_judged_one_at_a_time(hall: Hall, agent: Identity) -> None:
    wire = hall.dial(agent)
    hall.is_slow = True
    for _ in range(2):
        wire.say(frames.TOKEN, {"token": agent.token()})

    assert wire.closed is not None
    assert wire.closed[0] == 4400


def test_token_that_ended_is_honoured_for_as_long_as_an_outage_may_last(hall: Hall) -> None:
    wire = hall.dial()
    hall.platform.is_away = True
    hall.unix += 3000 + 599
    wire.link.pulse.heard(hall.now)
    hall.pass_time(0.5)
    assert wire.closed is None
    assert takes_work(hall, wire)

    hall.unix += 1
    hall.pass_time(0.25)
    assert wire.closed == (4401, "the token ended long ago")


def test_token_shown_while_nobody_can_judge_it_takes_nothing_away(
    hall: Hall, agent: Identity
) -> None:
    wire = hall.dial(agent)
    hall.platform.is_away = True
    wire.say(frames.TOKEN, {"token": agent.token()})

    assert wire.closed is None
    assert wire.out() == []


@pytest.mark.parametrize("state", [PENDING, SUSPENDED, "of a later version"])
def test_agent_that_is_not_active_keeps_its_link_and_gets_no_work(hall: Hall, state: str) -> None:
    agent = Identity(hall.platform)
    wire = hall.dial(agent)
    _, asker = ask(wire)
    hall.links.heed("agt_1", "good", replace(agent.entry, version=2, state=state))

    assert not takes_work(hall, wire)
    assert (wire.closed, asker.calls) == (None, [])
    hall.links.heed("agt_1", "good", replace(agent.entry, version=1))
    assert not takes_work(hall, wire)  # News that is older than what is known.
    hall.links.heed("agt_1", "good", replace(agent.entry, version=3))
    assert takes_work(hall, wire)


def test_revoked_agent_loses_every_link(hall: Hall, agent: Identity) -> None:
    wires = [hall.dial(agent, boot=boot) for boot in ("a", "b")]
    hall.links.heed("agt_1", "gone", replace(agent.entry, version=2, gone=True))

    assert [wire.closed and wire.closed[0] for wire in wires] == [4403, 4403]


# ── Several links ────────────────────────────────────────────────────────────────────────


def test_second_dial_of_the_same_start_takes_over_and_cuts_nothing(
    hall: Hall, agent: Identity
) -> None:
    old = hall.dial(agent, epoch=1)
    _, asker = ask(old)
    new = hall.dial(agent, epoch=2)
    assert hall.links.best("agt_1") is new.link

    hall.pass_time(1.0)
    assert old.closed is None
    old.head(1, flags=frames.FIN)
    hall.pass_time(0.25)
    assert asker.ended
    assert old.closed is not None
    assert old.closed[0] == 4409


@pytest.mark.parametrize("epoch", [1, 0])
def test_dial_that_is_not_newer_is_turned_away(hall: Hall, agent: Identity, epoch: int) -> None:
    first, again = hall.dial(agent, epoch=1), hall.dial(agent, epoch=epoch)

    assert again.closed is not None
    assert (again.closed[0], first.closed) == (4409, None)
    assert hall.links.best("agt_1") is first.link


def test_agent_has_so_many_links_and_no_more(hall: Hall, agent: Identity) -> None:
    wires = [hall.dial(agent, boot=str(number)) for number in range(9)]

    assert [wire.closed for wire in wires[:8]] == [None] * 8
    assert wires[8].closed == (1013, "too many links of one agent")
    assert len(hall.links.of_agent("agt_1")) == 8


def test_least_busy_link_that_takes_work_has_the_next_request(hall: Hall, agent: Identity) -> None:
    first, second = (hall.dial(agent, boot=boot) for boot in ("a", "b"))
    ask(first)
    assert hall.links.best("agt_1") is second.link

    second.say(frames.DRAIN, {"reason": "no more", "spread_ms": 0, "last": 0})
    assert hall.links.best("agt_1") is first.link
    assert hall.links.best("agt_2") is None


def test_request_that_has_not_left_when_the_link_ends_was_touched_by_nobody(hall: Hall) -> None:
    wire, asker, load = hall.dial(), Asker(), Load()
    wire.link.streams.ask(load, b"h", b"{}", asker)
    wire.link.close(1012, "stop")
    assert asker.calls == []

    wire.turn()
    assert asker.failure is not None
    assert asker.failure.reason == "connect"
    assert (load.in_flight, load.failed) == (0, 1)


# ── What is believed of a machine ────────────────────────────────────────────────────────


def test_load_of_a_worker_is_ours_or_what_its_machine_says_if_that_is_more(
    hall: Hall, agent: Identity
) -> None:
    fleet, worker = Fleet([TunnelTransport(hall.links)]), agent_worker("w1", "agt_1")
    wire, boot = hall.dial(agent), agent.hello("g", b"")["boot"]
    seen = [fleet.load_of(worker)]
    for seq, running in ((2, 3), (3, 1)):
        wire.say(frames.STATE, agent.state(boot, seq, models=[served("mock", "ready", running)]))
        seen.append(fleet.load_of(worker))

    assert seen == [0, 3, 1]


@pytest.mark.parametrize(
    ("said", "ours", "is_full"),
    [
        pytest.param({"slots": 2, "running": 1}, 1, False, id="a place is free"),
        pytest.param({"slots": 2, "running": 2}, 0, True, id="others have them all"),
        pytest.param({"slots": 2, "running": 0}, 2, True, id="we have them all"),
        pytest.param({"slots": 0, "running": 9}, 1, False, id="it does not say how many"),
        pytest.param({"models": [served("mock", "sleeping")]}, 0, True, id="it sleeps"),
    ],
)
def test_machine_without_a_free_place_is_passed_over_while_another_has_one(
    hall: Hall, agent: Identity, said: dict[str, Any], ours: int, is_full: bool
) -> None:
    fleet, worker = Fleet([TunnelTransport(hall.links)]), agent_worker("w1", "agt_1")
    other = agent_worker("w2", "agt_2")
    wire = hall.dial(agent)
    hall.dial(Identity(hall.platform, "agt_2"))
    wire.say(frames.STATE, agent.state(wire.link.hello.boot, 2, **said))
    for _ in range(ours):
        ask(wire)
    picker = Picker(lambda _: 0, fleet.is_open, lambda _: False, Random(7), fleet.is_full)

    assert fleet.is_full(worker) is is_full
    names = {found[0].worker_id for _ in range(40) if (found := picker.pick([[worker, other]], []))}
    assert names == ({"w2"} if is_full else {"w1", "w2"})
    alone = picker.pick([[worker]], [])
    assert alone is not None
    assert alone[0] is worker


@pytest.mark.anyio
async def test_own_requests_count_before_the_machine_says_so(hall: Hall, agent: Identity) -> None:
    fleet, worker = Fleet([TunnelTransport(hall.links)]), agent_worker("w1", "agt_1")
    hall.dial(agent)
    for _ in range(2):
        fleet.ask(worker, "/chat/completions", b"", b"{}", Asker())

    assert (fleet.load_of(worker), fleet.in_flight("w1")) == (2, 2)


@pytest.mark.parametrize(
    ("status", "is_open"),
    [
        ("missing", False),
        ("fetching", False),
        ("loading", False),
        ("ready", True),
        ("sleeping", True),
        ("failed", False),
        ("of a later version", False),
    ],
)
def test_only_a_model_that_can_answer_is_open(
    hall: Hall, agent: Identity, status: str, is_open: bool
) -> None:
    fleet, worker = Fleet([TunnelTransport(hall.links)]), agent_worker("w1", "agt_1")
    wire = hall.dial(agent)
    models = [served("other"), served("mock", status)]
    wire.say(frames.STATE, agent.state(wire.link.hello.boot, 2, models=models))

    assert fleet.is_open(worker) is is_open
    assert not fleet.is_open(agent_worker("w2", "agt_1", "unheard of"))
    assert not fleet.is_open(agent_worker("w3", "agt_2"))


def test_worker_that_minds_no_name_is_the_only_model_of_its_machine(
    hall: Hall, agent: Identity
) -> None:
    fleet, worker = Fleet([TunnelTransport(hall.links)]), agent_worker("w1", "agt_1", "")
    wire = hall.dial(agent)
    assert fleet.is_open(worker)

    models = [served("one"), served("two")]
    wire.say(frames.STATE, agent.state(wire.link.hello.boot, 2, models=models))
    assert not fleet.is_open(worker)


@pytest.mark.anyio
async def test_path_or_head_that_fits_in_no_frame_fails_before_it_leaves(
    hall: Hall, agent: Identity
) -> None:
    fleet, worker = Fleet([TunnelTransport(hall.links)]), agent_worker("w1", "agt_1")
    wire, askers = hall.dial(agent), []
    for path, lines in (("/a b", b""), ("a", b""), ("/a", b"a: b\r\n" * 12_000)):
        askers.append(Asker())
        fleet.ask(worker, path, lines, b"", askers[-1])
        await askers[-1].finished()

    assert [str(asker.failure).partition(":")[0] for asker in askers] == ["connect"] * 3
    assert wire.out() == []
