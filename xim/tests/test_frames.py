"""What is guarded: frames, windows and turns keep to the contract, whatever comes (sans-I/O)."""

from __future__ import annotations

import random
import struct
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripted_gateway import DATA, FIN, HEADERS, OPEN, WINDOW, frame, opening
from xim.link import endings, frames, messages, timing
from xim.link.endings import Next
from xim.link.frames import Code, Kind, ProtocolFault
from xim.link.messages import Assignment, Challenge, Drain, Welcome
from xim.link.session import OpenStream, Session
from xim.link.timing import BackOff
from xim.link.turns import Outflow, Turns
from xim.link.windows import Growth, ReceiveWindow, SendWindow

CHALLENGE_SAID = {"gateway": "gw", "nonce": bytes(32), "versions": [1, 1], "time_ms": 1}
WELCOME_SAID = {
    "link": "l",
    "agent": "a",
    "state": "active",
    "gateways": 1,
    "beat_ms": 3000,
    "lease_ms": 10_000,
    "window": WINDOW,
    "window_max": 1 << 20,
    "streams": 4,
    "grace_ms": 1,
}


class Reader:
    """Reads bodies, and remembers."""

    def __init__(self) -> None:
        self.body = b""
        self.ended = False
        self.broken: int | None = None

    def fed(self, piece: bytes, *, ends: bool) -> None:
        self.body += piece
        self.ended = ends

    def credited(self) -> None:
        """Nothing waits for it here."""

    def broken_off(self, code: int, detail: str) -> None:
        del detail
        self.broken = code


class Ear:
    """Listens, and remembers."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.readers: dict[int, Reader] = {}

    def challenged(self, challenge: Challenge) -> bytes:
        self.heard.append(challenge)
        return b"hello"

    def welcomed(self, welcome: Welcome) -> None:
        self.heard.append(welcome)

    def assigned(self, assignment: Assignment) -> None:
        self.heard.append(assignment)

    def drained(self, drain: Drain) -> None:
        self.heard.append(drain)

    def opened(self, stream: OpenStream) -> Reader:
        return self.readers.setdefault(stream.number, Reader())


def fault_of(session: Session, message: bytes) -> int | None:
    """Return the code by which a message ends the link; None if it does not."""
    try:
        session.receive(message)
    except ProtocolFault as fault:
        return fault.close_code
    return None


def live() -> tuple[Session, Ear]:
    ear = Ear()
    session = Session(ear, lambda: 0.0)
    session.receive(frame(Kind.CHALLENGE, msgpack.packb(CHALLENGE_SAID)))
    session.receive(frame(Kind.WELCOME, msgpack.packb(WELCOME_SAID)))
    while session.turns.next() is not None:
        pass
    return session, ear


@given(st.sampled_from(Kind), st.integers(0, 255), st.integers(0, 2**32 - 1), st.binary())
def test_frame_is_read_as_it_was_written(
    kind: Kind, flags: int, stream: int, payload: bytes
) -> None:
    written = frames.encode(kind, payload, stream=stream, flags=flags)

    assert written == frame(kind, payload, stream, flags)
    assert frames.decode(written) == (kind, flags, stream, payload)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_frame_are_a_fault_and_nothing_worse(message: bytes) -> None:
    session, _ = live()
    assert fault_of(session, message) in {None, *{1009, 4400}}


@given(st.sampled_from(Kind), st.integers(0, 3), st.integers(0, 6), st.binary(max_size=80))
def test_any_payload_of_any_frame_is_understood_or_a_fault(
    kind: Kind, flags: int, stream: int, payload: bytes
) -> None:
    session, _ = live()
    session.receive(frame(OPEN, opening(b"{}"), 1, FIN))
    assert fault_of(session, frame(kind, payload, stream, flags)) in {None, *{1009, 4400}}


@given(st.recursive(st.integers() | st.text() | st.binary() | st.none(), st.lists), st.data())
def test_any_msgpack_in_a_handshake_is_understood_or_a_fault(odd: Any, data: st.DataObject) -> None:
    kind, said = data.draw(
        st.sampled_from([(Kind.CHALLENGE, CHALLENGE_SAID), (Kind.WELCOME, WELCOME_SAID)])
    )
    name = data.draw(st.sampled_from(sorted(said)))
    session = Session(Ear(), lambda: 0.0)
    if kind is Kind.WELCOME:
        session.receive(frame(Kind.CHALLENGE, msgpack.packb(CHALLENGE_SAID)))
    try:
        payload = msgpack.packb({**said, name: odd})
    except (OverflowError, ValueError):
        return  # Nobody can write that.
    assert fault_of(session, frame(kind, payload)) in {None, *{4400, 4426}}


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(frame(0x77), id="unknown type"),
        pytest.param(b"\x08\x00", id="no head"),
        pytest.param(frame(DATA, b"x", 1), id="a stream that never opened"),
        pytest.param(frame(OPEN, opening(), 2), id="an id left out"),
        pytest.param(frame(OPEN, opening(), 0), id="a request on the link itself"),
        pytest.param(frame(OPEN, b"\xff\xff", 1), id="a head that is longer than its frame"),
        pytest.param(frame(OPEN, b"\x00\x01\x90", 1), id="a head without parts"),
        pytest.param(frame(OPEN, opening(b"{}"), 1), id="a body without its end"),
        pytest.param(frame(OPEN, opening(b"x" * 49_153), 1, FIN), id="a body too large for it"),
        pytest.param(frame(HEADERS, b"", 1), id="an answer from the gateway"),
        pytest.param(frame(Kind.PING, b"short"), id="a short ping"),
        pytest.param(frame(Kind.WELCOME, msgpack.packb(WELCOME_SAID)), id="a second welcome"),
        pytest.param(frame(Kind.DRAIN, msgpack.packb({"reason": 1})), id="a drain without words"),
        pytest.param(frame(Kind.ASSIGN, msgpack.packb({"version": True})), id="a yes for a number"),
        pytest.param(frame(Kind.PING, b"12345678", stream=3), id="a ping on a stream"),
    ],
)
def test_what_may_not_be_ends_the_link(message: bytes) -> None:
    session, _ = live()

    with pytest.raises(ProtocolFault) as fault:
        session.receive(message)
    assert fault.value.close_code == 4400


def test_frame_that_is_too_large_is_named_so() -> None:
    with pytest.raises(ProtocolFault) as fault:
        frames.decode(frame(DATA, b"x" * 65_537, 1))
    assert fault.value.close_code == 1009


def test_gateway_of_another_version_is_named_so() -> None:
    session = Session(Ear(), lambda: 0.0)

    with pytest.raises(ProtocolFault) as fault:
        session.receive(frame(Kind.CHALLENGE, msgpack.packb(CHALLENGE_SAID | {"versions": [2, 3]})))
    assert fault.value.close_code == 4426


def test_data_after_the_end_of_a_body_is_a_fault() -> None:
    session, _ = live()
    session.receive(frame(OPEN, opening(b"{}"), 1, FIN))

    with pytest.raises(ProtocolFault):
        session.receive(frame(DATA, b"more", 1))


def test_more_streams_than_agreed_are_busy_and_untouched() -> None:
    session, ear = live()
    for number in range(1, 6):
        session.receive(frame(OPEN, opening(b"{}"), number, FIN))

    turn = session.turns.next()
    assert turn is not None
    assert frames.decode(turn[0])[:3] == (Kind.RESET, frames.UNTOUCHED, 5)
    assert sorted(ear.readers) == [1, 2, 3, 4]


@given(st.lists(st.binary(min_size=1, max_size=16_384), max_size=12))
def test_body_of_any_pieces_arrives_as_it_was_sent(pieces: list[bytes]) -> None:
    session, ear = live()
    session.receive(frame(OPEN, opening(length=-1), 1))
    for piece in pieces:
        session.receive(frame(DATA, piece, 1))
        session.consumed(session.streams[1], len(piece))
    session.receive(frame(DATA, b"", 1, FIN))

    assert ear.readers[1].body == b"".join(pieces)
    assert ear.readers[1].ended


def test_flood_beyond_the_window_ends_its_stream_with_a_flow_error() -> None:
    session, ear = live()
    session.receive(frame(OPEN, opening(length=-1), 1))
    for _ in range(5):
        session.receive(frame(DATA, b"x" * 16_384, 1))

    turn = session.turns.next()
    assert turn is not None
    assert frames.read_reset(turn[0][6:])[0] == Code.FLOW
    assert ear.readers[1].broken == Code.FLOW
    assert session.streams == {}


@given(
    st.dictionaries(st.integers(1, 9), st.binary(max_size=200_000), min_size=1, max_size=5),
    st.randoms(use_true_random=False),
)
def test_bodies_in_turns_arrive_whole_and_never_beyond_their_credit(
    bodies: dict[int, bytes], dice: random.Random
) -> None:
    turns = Turns()
    flows = {number: Outflow(number, SendWindow(1000)) for number in bodies}
    for number, flow in flows.items():
        turns.add(flow)
        flow.put(bodies[number])
        flow.end()
        turns.wake(number)
    came = dict.fromkeys(bodies, b"")
    ended: set[int] = set()
    while len(ended) < len(bodies):
        turn = turns.next()
        if turn is None:
            number = dice.choice(sorted(set(bodies) - ended))
            flows[number].window.grant(len(came[number]) + dice.randint(1, 70_000))
            turns.wake(number)
            continue
        kind, flags, stream, payload = frames.decode(turn[0])
        assert kind is Kind.DATA
        assert len(payload) <= 16_384
        came[stream] += payload
        assert len(came[stream]) <= flows[stream].window.limit
        assert stream not in ended
        if flags & FIN:
            ended.add(stream)

    assert came == bodies


def test_control_frames_overtake_bodies_and_bodies_take_turns() -> None:
    turns = Turns()
    for number in (1, 2):
        flow = Outflow(number, SendWindow(1 << 20))
        turns.add(flow)
        flow.put(b"x" * 40_000)
        turns.wake(number)
    first = turns.next()
    turns.say(frames.credit(9, 1))
    order = [frames.decode(turn[0]) for turn in iter(turns.next, None)]

    assert first is not None
    assert order[0].kind is Kind.CREDIT
    assert [one.stream for one in order[1:]] == [2, 1, 2, 1, 2]


def test_gateway_that_reads_nothing_can_not_fill_our_memory_with_answers() -> None:
    session, _ = live()

    codes = {fault_of(session, frame(Kind.PING, b"12345678")) for _ in range(5000)}

    assert codes == {None, 4408}


@given(st.lists(st.integers(0, 2**63 - 1), min_size=1))
def test_credits_in_any_order_mean_the_same(offsets: list[int]) -> None:
    window = SendWindow(WINDOW)
    for offset in offsets:
        window.grant(offset)

    assert window.limit == max(WINDOW, *offsets)


@given(st.lists(st.integers(1, 16_384), max_size=400), st.sampled_from([0.0, 1.0]))
def test_receiver_that_reads_grants_enough_and_never_more_than_its_bounds(
    pieces: list[int], round_trip: float
) -> None:
    growth = Growth(1 << 20)
    window = ReceiveWindow(WINDOW, 1 << 20, growth)
    granted = WINDOW
    for moment, piece in enumerate(pieces):
        assert window.take(piece)
        granted = window.consume(piece, moment * 0.01, round_trip) or granted
        assert granted - window.consumed >= WINDOW // 2
        assert granted - window.consumed <= 1 << 20

    window.close()
    assert growth.take(1 << 20)


def test_peer_that_uses_its_window_at_once_gets_a_larger_one() -> None:
    slow, fast = (ReceiveWindow(WINDOW, 1 << 20, Growth()) for _ in range(2))
    for moment in range(200):
        slow.consume(16_384, moment * 10.0, 1.0)
        fast.consume(16_384, moment * 0.1, 1.0)

    assert slow.size == WINDOW
    assert fast.size == 1 << 20


def test_back_off_jitters_fully_under_its_cap_and_begins_anew_only_after_a_steady_link() -> None:
    back_off = BackOff(random.Random(1))
    waits = [back_off.next_s() for _ in range(200)]

    assert max(waits) <= 30
    assert min(waits[10:]) < 3
    assert max(waits[10:]) > 27
    assert all(wait <= 2**number for number, wait in enumerate(waits[:5]))
    assert BackOff(random.Random(1), tries=9).next_s(lived_s=29) > 1
    assert BackOff(random.Random(1), tries=9).next_s(lived_s=30) <= 1


def test_beat_is_as_told_give_or_take_a_tenth() -> None:
    beats = [timing.beat_s(3000, random.Random(seed)) for seed in range(50)]

    assert 2.7 <= min(beats) < max(beats) <= 3.3


def test_token_is_renewed_at_half_of_its_life() -> None:
    assert timing.renewal_s(expires_at=3600, server_time=0) == 1800
    assert timing.renewal_s(expires_at=0, server_time=100) == 1


@pytest.mark.parametrize(
    ("code", "what"),
    [
        (1000, Next.SPREAD),
        (1012, Next.SPREAD),
        (1013, Next.BACK_OFF),
        (4400, Next.BACK_OFF),
        (4401, Next.REFRESH),
        (4403, Next.STOP),
        (4408, Next.AGAIN),
        (4409, Next.AGAIN),
        (4426, Next.HOURLY),
        (1006, Next.BACK_OFF),
        (None, Next.BACK_OFF),
    ],
)
def test_each_close_code_means_one_thing(code: int | None, what: Next) -> None:
    assert endings.ending_of(code).next is what


def test_ask_is_read_as_it_was_said() -> None:
    head = opening(b'{"a":1}', lines=b"x: y\r\n")

    ask = messages.read_ask(head, whole=True)

    assert (ask.method, ask.path, ask.lines) == ("POST", "/chat/completions", b"x: y\r\n")
    assert (ask.body, ask.body_length, ask.model) == (b'{"a":1}', 7, "sim")
    assert struct.unpack_from(">H", head)[0] == len(head) - 2 - 7
