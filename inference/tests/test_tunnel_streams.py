"""Streams of a link: each has its own bytes, its own credit and its own end, whatever agents do."""

from __future__ import annotations

import random

import pytest

from inference.fleet.load import Load
from inference.fleet.tunnel import frames
from inference.fleet.tunnel.config import TunnelConfig
from inference.http.lines import Headers
from inference.tests.asker import Asker
from inference.tests.identities import Identity
from inference.tests.scripted_links import Frame, Hall, ScriptedWire, ask

KIB = 1024
PIECE = b"x" * (16 * KIB)


@pytest.fixture
def hall() -> Hall:
    return Hall()


@pytest.fixture
def wire(hall: Hall) -> ScriptedWire:
    return hall.dial()


def of(kind: int, sent: list[Frame]) -> list[Frame]:
    return [frame for frame in sent if frame[0] == kind]


def grants(sent: list[Frame]) -> list[tuple[int, int]]:
    found = of(frames.CREDIT, sent)
    return [(number, frames.read_credit(payload)) for _, _, number, payload in found]


def resets(sent: list[Frame]) -> list[tuple[int, int]]:
    found = of(frames.RESET, sent)
    return [(number, frames.read_reset(payload)[0]) for _, _, number, payload in found]


# ── Asking ───────────────────────────────────────────────────────────────────────────────


def test_numbers_rise_by_one_as_requests_leave_and_one_given_up_at_once_has_none(
    wire: ScriptedWire,
) -> None:
    first, second, third = (wire.link.streams.ask(Load(), b"h", b"{}", Asker()) for _ in range(3))
    second.abort()

    sent = wire.out()
    assert [(kind, flags, number) for kind, flags, number, _ in sent] == [
        (frames.OPEN, frames.FIN, 1),
        (frames.OPEN, frames.FIN, 2),
    ]
    assert sent[0][3] == b"\0\1h{}"
    assert (first.number, second.number, third.number) == (1, 0, 2)


def test_large_body_waits_for_credit_and_arrives_whole(wire: ScriptedWire) -> None:
    body = random.Random(7).randbytes(200_000)
    ask(wire, body)
    sent = wire.out()
    assert (sent[0][0], sent[0][1]) == (frames.OPEN, 0)
    assert sum(len(frame[3]) for frame in of(frames.DATA, sent)) == 64 * KIB

    wire.take(frames.CREDIT, (200_000).to_bytes(8, "big"), 1)
    sent += wire.out()
    data = of(frames.DATA, sent)
    assert b"".join(frame[3] for frame in data) == body
    assert [frame[1] for frame in data] == [0] * (len(data) - 1) + [frames.FIN]


def test_many_uploads_take_turns_and_what_is_urgent_overtakes_them(wire: ScriptedWire) -> None:
    for _ in range(3):
        ask(wire, bytes(64 * KIB))
    wire.take(frames.PING, b"12345678")
    sent = [wire.out(1) for _ in range(14)]

    assert [frames_[0][0] for frames_ in sent[:2]] == [frames.PONG, frames.OPEN]
    assert [frames_[0][2] for frames_ in sent[4:] if frames_] == [1, 2, 3] * 3 + [1]


def test_answer_that_is_over_stops_the_upload(wire: ScriptedWire) -> None:
    stream, asker = ask(wire, None)
    assert stream.write(b"one")
    wire.out()
    wire.head(1, 413, flags=frames.FIN)

    assert (asker.status, asker.ended) == (413, True)
    assert stream.write(b"two")
    assert resets(wire.out()) == [(1, frames.CANCEL)]


# ── Answers ──────────────────────────────────────────────────────────────────────────────


def test_many_small_frames_of_one_read_are_told_as_one_piece(wire: ScriptedWire) -> None:
    _, asker = ask(wire)
    wire.link.take(frames.frame(frames.HEADERS, b"\x92\xcc\xc8\xc4\0", 1))
    for _ in range(50):
        wire.link.take(frames.frame(frames.DATA, b"ab", 1))
    assert asker.calls == []

    wire.link.streams.settle()
    assert (asker.calls, asker.body) == (["head", "data"], b"ab" * 50)


def test_slow_caller_is_granted_nothing_more_and_costs_a_window_at_most(
    hall: Hall, wire: ScriptedWire
) -> None:
    stream, asker = ask(wire)
    wire.head(1)
    stream.pause()
    for _ in range(4):
        wire.data(1, PIECE)
    assert grants(wire.out()) == []
    assert asker.body == b""
    assert hall.links.room.used == 64 * KIB

    stream.resume()
    assert asker.body == b""  # Not before whoever resumed it has returned.
    wire.turn()
    assert asker.body == PIECE * 4
    assert grants(wire.out()) == [(1, 128 * KIB)]


def test_caller_that_pauses_while_it_is_told_is_told_no_more(wire: ScriptedWire) -> None:
    class Full(Asker):
        def on_head(self, status: int, headers: Headers) -> None:
            super().on_head(status, headers)
            stream.pause()

    asker = Full()
    stream = wire.link.streams.ask(Load(), b"h", b"{}", asker)
    wire.out()
    wire.head(1)
    wire.data(1, b"abc", frames.FIN)
    assert asker.calls == ["head"]

    stream.resume()
    wire.turn()
    assert asker.calls == ["head", "data", "end"]


def test_answer_that_was_whole_is_told_though_the_link_has_ended_meanwhile(
    hall: Hall, wire: ScriptedWire
) -> None:
    stream, asker = ask(wire)
    wire.head(1)
    stream.pause()
    wire.data(1, b"abc", frames.FIN)
    wire.link.close(1006, "lost")
    stream.resume()
    wire.turn()

    assert (asker.body, asker.ended) == (b"abc", True)
    assert hall.links.room.used == 0


def test_what_came_before_a_break_is_told_before_it(wire: ScriptedWire) -> None:
    stream, asker = ask(wire)
    wire.head(1)
    stream.pause()
    wire.data(1, b"abc")
    wire.take(frames.RESET, b"\0\5gone", 1)
    stream.resume()
    wire.turn()

    assert asker.calls == ["head", "data", "fail"]
    assert str(asker.failure) == "reset: gone"


def test_bad_news_with_nothing_before_it_waits_for_no_slow_caller(wire: ScriptedWire) -> None:
    stream, asker = ask(wire)
    stream.pause()
    wire.take(frames.RESET, b"\0\7", 1)

    assert asker.calls == ["fail"]


@pytest.mark.parametrize(
    ("code", "flags", "reason", "is_declined"),
    [
        pytest.param(1, 0, "reset", False, id="cancel"),
        pytest.param(2, frames.UNTOUCHED, "connect", True, id="busy"),
        pytest.param(3, frames.UNTOUCHED, "connect", True, id="draining"),
        pytest.param(4, frames.UNTOUCHED, "connect", False, id="engine unreachable"),
        pytest.param(5, 0, "reset", False, id="engine reset"),
        pytest.param(6, 0, "protocol", False, id="engine protocol"),
        pytest.param(7, 0, "timeout", False, id="engine silent"),
        pytest.param(8, 0, "protocol", False, id="too large"),
        pytest.param(9, 0, "reset", False, id="flow error"),
        pytest.param(10, frames.UNTOUCHED, "connect", False, id="unknown model"),
        pytest.param(11, 0, "reset", False, id="internal"),
        pytest.param(999, 0, "reset", False, id="nobody knows"),
        pytest.param(2, 0, "reset", False, id="busy, but touched"),
    ],
)
def test_reset_of_an_agent_is_what_a_worker_failing_so_is(
    wire: ScriptedWire, code: int, flags: int, reason: str, is_declined: bool
) -> None:
    load, asker = Load(), Asker()
    wire.link.streams.ask(load, b"h", b"{}", asker)
    wire.out()
    wire.take(frames.RESET, code.to_bytes(2, "big"), 1, flags)

    assert asker.failure is not None
    assert (asker.failure.reason, asker.failure.is_declined) == (reason, is_declined)
    assert (load.asked, load.failed, load.in_flight) == (1, not is_declined, 0)
    assert len(wire.link.streams) == 0


@pytest.mark.parametrize(
    ("said", "reason", "code"),
    [
        pytest.param([("data", b"a", 0)], "protocol", 6, id="a body before its head"),
        pytest.param([("head", b"", 0)] * 2, "protocol", 6, id="two heads"),
        pytest.param([("head", b"bad", 0)], "protocol", 6, id="a bad head"),
        pytest.param(
            [("head", b"content-length: 3\r\n", 0), ("data", b"four", 0)],
            "protocol",
            6,
            id="too long",
        ),
        pytest.param(
            [("head", b"content-length: 3\r\n", 0), ("data", b"ab", 1)],
            "protocol",
            6,
            id="too short",
        ),
        pytest.param([("head", b"content-length: 3\r\n", 1)], "protocol", 6, id="missing"),
        pytest.param(
            [("head", b"", 0), *[("data", PIECE, 0)] * 4, ("data", b"x", 0)],
            "reset",
            9,
            id="more than was granted",
        ),
    ],
)
def test_stream_out_of_order_ends_alone_and_what_follows_is_dropped(
    hall: Hall, wire: ScriptedWire, said: list[tuple[str, bytes, int]], reason: str, code: int
) -> None:
    stream, asker = ask(wire)
    _, other = ask(wire)
    wire.out()
    stream.pause()  # Else more would be granted.
    for what, data, flags in said:
        if what == "head":
            wire.head(1, 200, data, flags)
        else:
            wire.data(1, data, flags)
    stream.resume()
    wire.turn()
    wire.data(1, b"more")

    assert asker.failure is not None
    assert asker.failure.reason == reason
    assert resets(wire.out()) == [(1, code)]
    assert (wire.closed, other.calls) == (None, [])
    assert hall.links.counts.dropped["data"] == 1


def test_fault_of_one_who_is_told_is_told_to_us_and_hurts_no_other(wire: ScriptedWire) -> None:
    class Faulty(Asker):
        def on_data(self, data: bytes) -> None:
            raise ZeroDivisionError

    faulty, load = Faulty(), Load()
    wire.link.streams.ask(load, b"h", b"{}", faulty)
    _, other = ask(wire)
    wire.out()
    for number in (1, 2):
        wire.link.take(frames.frame(frames.HEADERS, b"\x92\xcc\xc8\xc4\0", number))
        wire.link.take(frames.frame(frames.DATA, b"ab", number))
    wire.link.streams.settle()
    wire.turn()

    assert [type(fault) for fault in wire.faults] == [ZeroDivisionError]
    assert faulty.calls == ["head", "fail"]
    assert other.body == b"ab"
    assert resets(wire.out()) == [(1, frames.INTERNAL)]
    assert (load.failed, load.in_flight) == (1, 0)


# ── Hostile ──────────────────────────────────────────────────────────────────────────────


def test_ten_thousand_half_open_streams_leave_nothing_behind(
    hall: Hall, wire: ScriptedWire
) -> None:
    load = Load()
    for turn in range(100):
        begun = [wire.link.streams.ask(load, b"h", None, Asker()) for _ in range(100)]
        assert len(of(frames.OPEN, wire.out())) == 100
        wire.head(turn * 100 + 1)
        for stream in begun:
            stream.abort()
        assert len(resets(wire.out())) == 100

    assert (len(wire.link.streams), load.in_flight, load.asked) == (0, 0, 10_000)
    assert hall.links.room.used == 0
    assert wire.link.outbox.is_empty
    for number in (1, 5000, 10_000):
        wire.data(number, b"late")
    assert (wire.closed, hall.links.counts.dropped) == (None, {"data": 3})


def test_windows_of_a_link_stay_within_its_bound_however_fast_it_is() -> None:
    hall = Hall(TunnelConfig(link_windows=512 * KIB))
    wire = hall.dial()
    wire.link.streams.trip_s = 10.0
    begun = [ask(wire) for _ in range(4)]
    for number in range(1, 5):
        wire.head(number)
    for _ in range(40):
        for number in range(1, 5):
            wire.data(number, b"x" * 8 * KIB)
        wire.out()

    assert hall.links.room.used <= 512 * KIB
    assert [len(asker.body) for _, asker in begun] == [320 * KIB] * 4
    wire.link.close(1000, "done")
    wire.turn()
    assert hall.links.room.used == 0


@pytest.mark.parametrize("seed", range(60))
def test_random_frames_in_any_state_end_in_a_close_or_in_order(seed: int) -> None:
    chance, hall = random.Random(seed), Hall()
    wire = hall.dial() if seed % 4 else hall.connect()
    askers = [ask(wire, chance.choice((None, b"{}", bytes(70_000)))) for _ in range(5)]
    for _ in range(300):
        kind = chance.choice((*range(0x01, 0x0A), *range(0x10, 0x15), chance.randrange(256)))
        number = chance.choice((0, 0, 1, 2, 3, 4, 5, 5, 6, chance.getrandbits(32)))
        payload = chance.choice((b"", b"\0" * 8, b"\x92\xcc\xc8\xc4\0", chance.randbytes(12)))
        if chance.random() < 0.8:  # What may be said, or all would end with the first.
            kind, number = chance.choice(((0x11, 1), (0x12, 2), (0x13, 3), (0x14, 4), (0x12, 1)))
            payload = payload if kind != 0x14 else chance.randbytes(8)
            payload = payload if kind != 0x13 else b"\0\5"
            payload = payload if kind != 0x11 else b"\x92\xcc\xc8\xc4\0"
        wire.take(kind, payload, number, chance.randrange(4))
        stream, _ = chance.choice(askers)
        chance.choice((stream.pause, stream.resume, stream.end, lambda: None))()
        wire.turn()
        wire.out(chance.choice((1, 100_000)))
    wire.link.close(1000, "done")
    for stream, _ in askers:
        stream.resume()
    wire.turn()

    assert wire.faults == []
    assert hall.links.room.used == 0
    for _, asker in askers:
        assert asker.calls[-1] in ("end", "fail")
        assert asker.calls.count("head") <= 1
        assert sum(call in ("end", "fail") for call in asker.calls) == 1


@pytest.mark.parametrize("seed", range(3))
def test_sixty_four_streams_each_get_their_own_bytes(seed: int) -> None:
    chance, hall = random.Random(seed), Hall()
    wire = hall.dial(Identity(hall.platform))
    bodies = {number: chance.randbytes(160_000) for number in range(1, 65)}
    askers = {number: ask(wire)[1] for number in bodies}
    granted, sent = dict.fromkeys(bodies, 64 * KIB), dict.fromkeys(bodies, 0)
    wire.out()
    for number in bodies:
        wire.head(number)
    while sent:
        for _ in range(chance.randrange(1, 40)):
            number = chance.choice(list(bodies))
            if number in sent:
                at, size = sent[number], min(chance.randrange(1, 16 * KIB), granted[number])
                size = max(0, min(size, granted[number] - at))
                piece = bodies[number][at : at + size]
                sent[number] += len(piece)
                is_last = sent[number] == len(bodies[number])
                wire.link.take(frames.frame(frames.DATA, piece, number, int(is_last)))
                if is_last:
                    del sent[number]
        wire.link.streams.settle()
        granted.update(grants(wire.out()))

    assert {number: asker.body == bodies[number] for number, asker in askers.items()} == (
        dict.fromkeys(bodies, True)
    )
    assert all(asker.ended for asker in askers.values())
