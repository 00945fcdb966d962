"""The arithmetic of a tunnel: credit, turns at sending, signs of life, heads, arrivals."""

from __future__ import annotations

import pytest

from inference.fleet.tunnel import heads
from inference.fleet.tunnel.config import TunnelConfig
from inference.fleet.tunnel.heads import BadHead
from inference.fleet.tunnel.outbox import PONG_SLOT, Outbox, Source
from inference.fleet.tunnel.pulse import Pulse
from inference.fleet.tunnel.upload import HIGH, Upload
from inference.fleet.tunnel.windows import Inflow, Outflow, Room
from inference.tests.interpreted import skip_if_compiled

skip_if_compiled()

CONFIG = TunnelConfig()
KIB = 1024
ROOMY = 1 << 30

# ── Windows ──────────────────────────────────────────────────────────────────────────────


def test_receiver_renews_when_half_was_taken_and_not_before() -> None:
    inflow = Inflow(CONFIG, Room(ROOMY), 0.0)

    assert inflow.arrive(64 * KIB)
    assert inflow.take(32 * KIB - 1, 9.0, 0.1, CONFIG.window_max) == 0
    assert inflow.take(1, 9.0, 0.1, CONFIG.window_max) == 96 * KIB
    assert inflow.arrive(32 * KIB)
    assert not inflow.arrive(1)


def test_window_doubles_while_half_of_it_comes_within_a_round_trip_up_to_its_bound() -> None:
    room = Room(ROOMY)
    inflow, now, seen = Inflow(CONFIG, room, 0.0), 0.0, []
    for _ in range(7):
        now += 0.09
        size = inflow.window // 2
        assert inflow.arrive(size)
        assert inflow.take(size, now, 0.1, CONFIG.window_max)
        seen.append(inflow.window // KIB)

    assert seen == [128, 256, 512, 1024, 1024, 1024, 1024]
    assert room.used == 1024 * KIB
    inflow.close()
    inflow.close()
    assert room.used == 0


def test_window_of_a_near_or_slow_stream_stays_small() -> None:
    inflow, now = Inflow(CONFIG, Room(ROOMY), 0.0), 0.0
    for _ in range(20):
        now += 0.2
        inflow.arrive(32 * KIB)
        inflow.take(32 * KIB, now, 0.1, CONFIG.window_max)

    assert inflow.window == 64 * KIB


@pytest.mark.parametrize("tight", ["link", "process"])
def test_no_window_grows_beyond_what_link_and_process_may_hold(tight: str) -> None:
    small, large = 200 * KIB, ROOMY
    process = Room(small if tight == "process" else large)
    link = Room(small if tight == "link" else large, process)
    flows = [Inflow(CONFIG, link, 0.0) for _ in range(3)]
    for flow in flows:
        flow.arrive(64 * KIB)
        assert flow.take(64 * KIB, 0.01, 0.1, CONFIG.window_max)

    assert [flow.window // KIB for flow in flows] == [64, 64, 64]
    assert (link.used, process.used) == (192 * KIB, 192 * KIB)


def test_credit_never_takes_back_and_said_twice_changes_nothing() -> None:
    outflow = Outflow(10)
    outflow.send(10)

    assert [outflow.grant(offset) for offset in (5, 10, 15, 15, 12)] == [
        False,
        False,
        True,
        False,
        False,
    ]
    assert outflow.left == 5
    assert outflow.grant(2**64 - 1)


# ── Turns at sending ─────────────────────────────────────────────────────────────────────


class Pieces(Source):
    """Has so many pieces of a letter."""

    def __init__(self, letter: bytes, count: int) -> None:
        super().__init__()
        self.letter, self.count = letter, count

    def pull(self) -> bytes:
        self.count -= 1
        return self.letter if self.count >= 0 else b""


def test_control_overtakes_data_and_streams_take_turns() -> None:
    outbox = Outbox()
    for letter, count in ((b"a", 3), (b"b", 1), (b"c", 2)):
        outbox.queue(Pieces(letter, count))
    outbox.put(b"1")
    outbox.put(b"2")

    assert outbox.take(4) == [b"1", b"2", b"a", b"b"]
    outbox.put(b"3")
    assert b"".join(outbox.take(100)) == b"3cacca"[:1] + b"caca"
    assert outbox.is_empty


def test_portion_is_bounded_and_what_is_left_stays() -> None:
    outbox = Outbox()
    for number in range(100):
        outbox.put(b"%04d" % number)

    assert len(outbox.take(10)) == 3
    assert not outbox.is_empty
    assert len(outbox.take(10_000)) == 97


def test_flood_of_pings_is_answered_by_the_last_pong() -> None:
    outbox = Outbox()
    for number in range(1000):
        outbox.put_last(PONG_SLOT, b"%d" % number)

    assert outbox.take(1) == [b"999"]


def test_source_without_credit_leaves_the_ring_until_it_is_queued_again() -> None:
    outbox, source = Outbox(), Pieces(b"a", 1)
    outbox.queue(source)
    outbox.queue(source)

    assert b"".join(outbox.take(10)) == b"a"
    assert outbox.is_empty
    source.count = 1
    outbox.queue(source)
    assert b"".join(outbox.take(10)) == b"a"


def test_body_goes_up_as_far_as_it_was_granted_and_its_end_with_the_last_piece() -> None:
    upload = Upload(b"", bytes(100_000), lambda: None)
    upload.begin(1, 20_000)
    first = [upload.pull() for _ in range(3)]

    assert [len(piece) - 10 for piece in first] == [16_384, 3616, -10]
    assert upload.grant(100_000)
    rest = [upload.pull() for _ in range(6)]
    assert [piece[4 + 1] for piece in rest[:5]] == [0, 0, 0, 0, 1]
    assert rest[5] == b""
    assert not upload.is_wanted


def test_writer_is_asked_to_wait_and_told_when_half_has_left() -> None:
    drained: list[bool] = []
    upload = Upload(b"", None, lambda: drained.append(True))
    upload.begin(1, HIGH)

    assert upload.write(b"x" * (HIGH - 1))
    assert not upload.write(b"x")
    for _ in range(2):
        upload.pull()
    assert drained == []
    upload.pull()
    assert drained == [True]


# ── Signs of life ────────────────────────────────────────────────────────────────────────


def test_silence_makes_suspect_then_dead_and_any_sign_takes_it_back() -> None:
    pulse = Pulse(CONFIG, 0.0)

    assert [pulse.is_suspect(now) for now in (4.49, 4.5)] == [False, True]
    assert [pulse.is_dead(now) for now in (8.9, 9.0)] == [False, True]
    pulse.heard(9.0)
    assert not pulse.is_suspect(13.4)


def test_ping_is_due_after_four_quiet_seconds_and_measures_the_way() -> None:
    pulse = Pulse(CONFIG, 0.0)
    first = pulse.ping(0.0)
    pulse.said(0.0)

    assert first
    assert pulse.ping(3.9) == b""
    pulse.pong(b"\xff" * 8, 0.1)
    assert pulse.trip_s == 0.0
    pulse.pong(first, 0.2)
    pulse.pong(first, 0.9)
    assert pulse.trip_s == 0.2
    second = pulse.ping(4.0)
    assert second != first
    pulse.pong(second, 4.6)
    assert pulse.trip_s == pytest.approx(0.3)


# ── Heads ────────────────────────────────────────────────────────────────────────────────


def test_head_passes_what_callers_may_see_and_nothing_else() -> None:
    lines = b"Content-Type:  text/plain \r\nserver: x\r\ncontent-length: 5\r\nset-cookie: a\r\n"

    headers = [(b"content-type", b"text/plain"), (b"content-length", b"5")]
    assert heads.read_head(200, lines) == (headers, 5)
    assert heads.read_head(204, b"")[1] == 0
    assert heads.read_head(200, b"") == ([], heads.UNKNOWN)


@pytest.mark.parametrize(
    ("status", "lines"),
    [
        pytest.param(199, b"", id="not final"),
        pytest.param(600, b"", id="no status"),
        pytest.param(200, b"content-type: a\r\n\r\nbody", id="a body behind it"),
        pytest.param(200, b"content-type: a\nset-cookie: b\r\n", id="a bare line feed"),
        pytest.param(200, b"content-type: a\rb\r\n", id="a bare carriage return"),
        pytest.param(200, b"content-type: a\0\r\n", id="a nul"),
        pytest.param(200, b" content-type: a\r\n", id="folded"),
        pytest.param(200, b"content type: a\r\n", id="a space in the name"),
        pytest.param(200, b"content-type\r\n", id="no colon"),
        pytest.param(200, b"content-type: a", id="no end"),
        pytest.param(200, b"content-length: -5\r\n", id="less than nothing"),
        pytest.param(200, b"content-length: 5, 5\r\n", id="two lengths in one"),
        pytest.param(200, b"content-length: 5\r\ncontent-length: 5\r\n", id="two lengths"),
        pytest.param(200, b"content-length: " + b"9" * 40 + b"\r\n", id="a length without end"),
        pytest.param(200, b"a: b\r\n" * 129, id="too many"),
    ],
)
def test_head_that_an_http_parser_would_refuse_is_refused(status: int, lines: bytes) -> None:
    with pytest.raises(BadHead):
        heads.read_head(status, lines)


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (b"accept: a\r\nx-request-id: req_1\r\n", "req_1"),
        (b"accept: a\r\n", ""),
        (b"", ""),
    ],
)
def test_id_of_a_request_is_found_in_its_lines(lines: bytes, found: str) -> None:
    assert heads.request_id_of(lines) == found
