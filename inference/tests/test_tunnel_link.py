"""A link as a state machine: who may say what when, how long it lives, and how it ends."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import msgpack

from inference.contracts.agents import ACTIVE
from inference.fleet.tunnel import frames
from inference.fleet.tunnel.config import TunnelConfig
from inference.tests.identities import Identity
from inference.tests.scripted_links import Hall, ScriptedWire, ask

TOKEN_FRAME = (frames.TOKEN, 0, 0, msgpack.encode({}))


@pytest.fixture
def hall() -> Hall:
    return Hall()


@pytest.fixture
def agent(hall: Hall) -> Identity:
    return Identity(hall.platform)


def kinds(wire: ScriptedWire) -> list[int]:
    return [kind for kind, *_ in wire.out()]


def takes_work(hall: Hall, wire: ScriptedWire) -> bool:
    return wire.link.takes_work(hall.now)


# ── Beginning ────────────────────────────────────────────────────────────────────────────


def test_agent_that_answers_the_challenge_is_welcome_and_told_what_it_may(
    hall: Hall, agent: Identity
) -> None:
    wire = hall.connect()
    hall.links.gateways = 3
    hall.hello(wire, agent)
    (_, _, _, welcome), (_, _, _, assign), ping = wire.out()

    assert msgpack.decode(welcome) == {
        "link": wire.link.name,
        "agent": "agt_1",
        "state": ACTIVE,
        "gateways": 3,
        "beat_ms": 3000,
        "lease_ms": 10000,
        "window": 65536,
        "window_max": 1048576,
        "streams": 256,
        "grace_ms": 120000,
    }
    assert msgpack.decode(assign) == {"version": 1, "state": ACTIVE, "models": [], "gateways": 3}
    assert ping[0] == frames.PING
    assert hall.heard.up == [wire.link]
    assert not takes_work(hall, wire)  # Nobody knows yet what it has.


@pytest.mark.parametrize(
    ("hello", "code"),
    [
        pytest.param({"version": 2}, 4426, id="another version"),
        pytest.param({"signature": b"s" * 64}, 4401, id="no proof"),
        pytest.param({"token": "a.b.c"}, 4401, id="no token"),
        pytest.param({"key": b"k" * 32}, 4401, id="another key"),
        pytest.param({"epoch": -1}, 4400, id="no epoch"),
    ],
)
def test_agent_that_does_not_is_closed_with_the_reason(
    hall: Hall, agent: Identity, hello: dict[str, Any], code: int
) -> None:
    wire = hall.dial(agent, **hello)

    assert wire.closed is not None
    assert wire.closed[0] == code
    assert hall.heard.up == []
    assert not len(hall.links)


def test_proof_for_one_challenge_is_none_for_another(hall: Hall, agent: Identity) -> None:
    first, second = hall.connect(), hall.connect()
    first.out()
    [(_, _, _, challenge)] = second.out()
    said = msgpack.decode(challenge)
    first.say(frames.HELLO, agent.hello(said["gateway"], said["nonce"]))

    assert first.closed == (4401, "the challenge was not signed")


def test_nobody_waits_for_a_hello_for_ever(hall: Hall) -> None:
    wire = hall.connect()
    hall.pass_time(4.75)
    assert wire.closed is None

    hall.pass_time(0.25)
    assert wire.closed == (4408, "no HELLO in time")


def test_link_that_ends_while_it_is_judged_stays_ended(hall: Hall, agent: Identity) -> None:
    hall.is_slow = True
    wire = hall.connect()
    hall.hello(wire, agent)
    assert (wire.closed, hall.heard.up) == (None, [])

    hall.pass_time(5.0)
    hall.is_slow = False
    hall.answers[0]()
    assert wire.closed == (1013, "nobody could say in time who this is")
    assert hall.heard.up == []


def test_nobody_is_refused_for_good_while_nobody_can_be_asked(hall: Hall, agent: Identity) -> None:
    hall.platform.is_away = True

    assert hall.dial(agent).closed == (1013, "nobody can say who this is just now")


# ── What may come when ───────────────────────────────────────────────────────────────────

OUT_OF_PLACE = [
    pytest.param(frames.frame(kind), id=f"type {kind:#x}")
    for kind in range(0x18)
    if kind not in (frames.HELLO, frames.PING, frames.PONG)
]


@pytest.mark.parametrize("frame", OUT_OF_PLACE)
def test_stranger_may_say_hello_and_nothing_else(hall: Hall, frame: bytes) -> None:
    wire = hall.connect()
    wire.link.take(frame)

    assert wire.closed is not None
    assert wire.closed[0] == 4400


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x04\0\0\0\0", id="half a head"),
        *(
            pytest.param(frames.frame(kind, b"", 0), id=f"type {kind:#x}")
            for kind in (0x00, 0x0A, 0x15, 0xFF, frames.CHALLENGE, frames.WELCOME, frames.ASSIGN)
        ),
        pytest.param(frames.frame(frames.HELLO), id="a second hello"),
        pytest.param(frames.frame(frames.OPEN, b"", 2), id="a stream of the agent's"),
        pytest.param(frames.frame(frames.DATA, b"", 2), id="a stream that was never opened"),
        pytest.param(frames.frame(frames.DATA, b"", 2**32 - 1), id="the last stream there is"),
        pytest.param(frames.frame(frames.DATA, b"", 0), id="data of the link"),
        pytest.param(frames.frame(frames.CREDIT, b"\0" * 8, 0), id="credit of the link"),
        pytest.param(frames.frame(frames.PING, b"\0" * 8, 1), id="a ping of a stream"),
        pytest.param(frames.frame(frames.PING, b"\0" * 7), id="a short ping"),
        pytest.param(frames.frame(frames.DATA, b"x" * 16385, 1), id="too much data"),
        pytest.param(frames.frame(frames.CREDIT, b"\0" * 9, 1), id="a long credit"),
        pytest.param(frames.frame(frames.RESET, b"\0", 1), id="half a reset"),
        pytest.param(frames.frame(frames.RESET, b"\0" * 203, 1), id="a talkative reset"),
        pytest.param(frames.frame(frames.HEADERS, b"\xc0", 1), id="headers that are none"),
        pytest.param(frames.frame(frames.STATE, b"\x80"), id="an empty state"),
        pytest.param(frames.frame(frames.STATE, b"\xc1" * 8193), id="a state that is too large"),
    ],
)
def test_nonsense_ends_the_link_fails_what_ran_and_no_other_link(
    hall: Hall, agent: Identity, frame: bytes
) -> None:
    wire, other = hall.dial(agent), hall.dial(Identity(hall.platform, "agt_2"))
    _, asker = ask(wire)
    _, unharmed = ask(other)
    wire.link.take(frame)
    wire.turn()

    assert wire.closed is not None
    assert wire.closed[0] == 4400
    assert asker.failure is not None
    assert asker.failure.reason == "reset"
    assert (other.closed, unharmed.calls) == (None, [])
    assert hall.links.counts.closed == {4400: 1}


def test_what_comes_after_the_end_is_not_heard(hall: Hall, agent: Identity) -> None:
    wire = hall.dial(agent)
    wire.link.close(1012, "stop")
    wire.say(frames.STATE, agent.state(wire.link.hello.boot, 9))

    assert wire.closed == (1012, "stop")
    assert hall.heard.left == [(1012, "stop")]
    assert wire.out() == []


# ── Life ─────────────────────────────────────────────────────────────────────────────────


def test_silent_agent_gets_no_work_then_is_cut_and_what_ran_fails(hall: Hall) -> None:
    wire = hall.dial()
    _, asker = ask(wire)
    hall.pass_time(4.25)
    assert takes_work(hall, wire)

    hall.pass_time(0.25)
    assert not takes_work(hall, wire)
    assert asker.calls == []
    hall.pass_time(4.25)
    assert wire.closed is None
    hall.pass_time(0.25)
    wire.turn()
    assert wire.closed == (4408, "nothing was heard, or taken, for too long")
    assert asker.calls == ["fail"]


def test_silence_that_was_ours_cuts_nobody(hall: Hall) -> None:
    wire = hall.dial()
    hall.now += 60.0
    hall.links.tick()
    assert wire.closed is None

    wire.link.pulse.heard(hall.now)  # What lay unread.
    hall.pass_time(4.0)
    assert wire.closed is None


def test_quiet_gateway_pings_every_four_seconds_and_a_busy_one_need_not(hall: Hall) -> None:
    wire = hall.dial()
    wire.take(frames.PONG, (1).to_bytes(8, "big"))
    seen = []
    for _ in range(9):
        hall.pass_time(1.0)
        wire.link.pulse.heard(hall.now)
        seen.append(kinds(wire))

    assert seen == [[], [], [], [frames.PING], [], [], [], [frames.PING], []]


def test_ping_is_answered_with_its_bytes(hall: Hall) -> None:
    wire = hall.dial()
    wire.take(frames.PING, b"12345678")

    assert wire.out() == [(frames.PONG, 0, 0, b"12345678")]


def test_link_that_takes_nothing_for_ten_seconds_is_closed(hall: Hall) -> None:
    wire = hall.dial()
    wire.blocked = 10.0
    hall.pass_time(0.25)

    assert wire.closed is not None
    assert wire.closed[0] == 4408


def test_draining_agent_gets_no_more_work_and_what_runs_goes_on(hall: Hall) -> None:
    wire = hall.dial()
    _, asker = ask(wire)
    wire.say(frames.DRAIN, {"reason": "maintenance", "spread_ms": 0, "last": 1})
    assert not takes_work(hall, wire)

    wire.head(1)
    wire.data(1, b"all", frames.FIN)
    assert (asker.body, asker.ended) == (b"all", True)
    assert wire.closed is None


def test_drain_flag_of_a_state_counts_until_a_later_one_takes_it_back(
    hall: Hall, agent: Identity
) -> None:
    wire, seen = hall.dial(agent), []
    for seq, drain in ((2, True), (1, False), (3, False), (2, True)):
        wire.say(frames.STATE, agent.state(wire.link.hello.boot, seq, drain=drain))
        seen.append(takes_work(hall, wire))

    assert seen == [False, False, True, True]


def test_gateway_that_drains_tells_all_and_spreads_them_by_their_number() -> None:
    hall = Hall(TunnelConfig(links_per_s=2))
    wires = [hall.dial(Identity(hall.platform, f"agt_{n}")) for n in range(5)]
    ask(wires[0])
    hall.links.drain("the gateway stops")

    said = [msgpack.decode(wire.out()[-1][3]) for wire in wires]
    assert {one["spread_ms"] for one in said} == {2500}
    assert [one["last"] for one in said] == [1, 0, 0, 0, 0]
    assert takes_work(hall, wires[0])  # Whoever was let in before is served.
    hall.links.drain("again")
    assert [kinds(wire) for wire in wires] == [[]] * 5


def test_streams_beyond_what_was_agreed_and_the_last_number_get_no_work(hall: Hall) -> None:
    wire = hall.dial()
    for _ in range(255):
        ask(wire)
    assert takes_work(hall, wire)
    stream, _ = ask(wire)
    assert not takes_work(hall, wire)

    stream.abort()
    assert takes_work(hall, wire)
    wire.link.streams.last = frames.LAST_STREAM
    assert not takes_work(hall, wire)
    wire.out()
    hall.pass_time(0.25)
    assert kinds(wire) == [frames.DRAIN]
