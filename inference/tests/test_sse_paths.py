"""The ways through the filter: a plain stream takes the short ones, and none of them shows."""

from __future__ import annotations

import random
import sys
from types import FrameType

import pytest

from inference.body.sse import HOLD_MAX, StreamFilter
from inference.tests.interpreted import skip_if_compiled
from inference.tests.test_sse import DELTA, USAGE, run

skip_if_compiled()  # It shows nobody which functions it enters.

NAMED = b"event: message\n" + DELTA
PLAIN = b'data: {"a":1}\n\n'
WITHOUT_TEXT = b'data: {"choices":[{"delta":{"role":"assistant"}}],"usage":null}\n\n'
LARGEST = DELTA.replace(b"hi", b"x" * (HOLD_MAX - len(DELTA) + 2))


def way(scan: StreamFilter, data: bytes) -> set[str]:
    """Return the names of the functions that are entered for this piece of a stream."""
    entered: set[str] = set()

    def note(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call":
            entered.add(frame.f_code.co_name)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        scan.feed(data)
    finally:
        sys.setprofile(before)
    return entered


def learned() -> StreamFilter:
    """Return a filter that has read one block."""
    scan = StreamFilter(drop_usage=True)
    scan.feed(DELTA)
    return scan


@pytest.mark.parametrize("words", [b"x", b"hi", b"a longer text"])
def test_block_like_the_one_before_is_counted_at_a_glance(words: bytes) -> None:
    scan = learned()

    assert way(scan, DELTA.replace(b"hi", words)) == {"feed"}
    assert (scan.events, scan.deltas, scan.text_bytes) == (2, 2, 2 + len(words))


def test_glance_is_enough_for_the_largest_block_that_is_held() -> None:
    assert len(LARGEST) == HOLD_MAX
    assert way(learned(), LARGEST) == {"feed"}


def test_frame_is_learned_from_a_block_that_came_in_pieces() -> None:
    scan, cut = StreamFilter(drop_usage=True), len(DELTA) // 2
    scan.feed(DELTA[:cut])
    scan.feed(DELTA[cut:])

    assert way(scan, DELTA) == {"feed"}
    scan.feed(DELTA[:cut])
    assert "hear" not in way(scan, DELTA[cut:])


@pytest.mark.parametrize("block", [
    pytest.param(PLAIN, id="one"),
    pytest.param(PLAIN.replace(b"\n", b"\r\n"), id="one with other line ends"),
    pytest.param(WITHOUT_TEXT, id="one without usage"),
    pytest.param(PLAIN + WITHOUT_TEXT + DELTA, id="several"),
    pytest.param(b"", id="nothing"),
    pytest.param(LARGEST, id="the largest"),
])  # fmt: skip
def test_plain_blocks_are_not_read_with_care(block: bytes) -> None:
    assert "_careful" not in way(StreamFilter(drop_usage=True), block)


def test_several_blocks_at_once_are_counted_by_their_frame() -> None:
    assert "hear" not in way(learned(), DELTA + DELTA)


def test_single_block_is_not_put_into_the_buffer() -> None:
    assert "_cut_blocks" not in way(StreamFilter(drop_usage=True), NAMED)


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n", b"\n\n\r"])
@pytest.mark.parametrize("before", [
    pytest.param([DELTA, DELTA], id="a glance"),
    pytest.param([PLAIN], id="one"),
    pytest.param([PLAIN + PLAIN], id="several"),
    pytest.param([NAMED], id="a single one"),
    pytest.param([USAGE[:9], USAGE[9:]], id="a dropped one in pieces"),
])  # fmt: skip
def test_blank_line_passes_whatever_came_before_it(before: list[bytes], end: bytes) -> None:
    scan = StreamFilter(drop_usage=True)
    for piece in before:
        scan.feed(piece)

    assert scan.feed(end + USAGE) == end


def test_first_byte_behind_a_dropped_block_is_not_swallowed() -> None:
    odd = USAGE.replace(b"\n", b"\r")

    assert run([odd, DELTA[:9], DELTA[9:]], drop_usage=True)[0] == DELTA
    assert run([odd, b"\n" + DELTA[:9], DELTA[9:]], drop_usage=True)[0] == DELTA
    held = b'data: {"a":1}\r\n\r\n'
    assert run([USAGE + held[:14], held[14:]], drop_usage=True)[0] == held


@pytest.mark.parametrize("piece", [
    pytest.param(DELTA.replace(b"data", b"dato"), id="no data"),
    pytest.param(DELTA[:-1] + b" ", id="no end"),
    pytest.param(b'data: {"a":1}\ndata: ', id="two lines of data"),
])  # fmt: skip
def test_what_only_begins_or_ends_like_a_block_is_none(piece: bytes) -> None:
    scan = learned()
    scan.feed(piece)

    assert (scan.events, scan.deltas) == (1, 1)


def test_held_beginning_is_not_forgotten_when_a_whole_block_follows() -> None:
    for second in (DELTA, PLAIN):
        scan = learned()
        held = scan.feed(b'data: {"a":')

        assert held + scan.feed(second) == b'data: {"a":' + second
        assert scan.events == 2


@pytest.mark.parametrize("stream", [
    PLAIN.replace(b"\n", b"\r") + PLAIN,
    DELTA + b'data: {"choices":\ndata: []}\n\n',
])  # fmt: skip
def test_blocks_with_other_lines_are_cut_where_they_end(stream: bytes) -> None:
    scan = StreamFilter(drop_usage=True)
    scan.feed(stream)

    assert (scan.events, scan.deltas) == (2, stream.count(b"hi"))


@pytest.mark.parametrize(("name", "has_failed"), [(b"error", True), (b"errors", False)])
def test_event_that_is_called_an_error_is_one(name: bytes, has_failed: bool) -> None:
    _, scan = run([b"event: " + name + b'\ndata: {"a":1}\n\n'], drop_usage=True)

    assert scan.has_failed is has_failed


def test_large_block_counts_by_all_its_bytes_however_it_is_cut() -> None:
    lines = b"data: a\n" * 20_000
    large = b'data: {"choices":' + lines + b"data: }"
    large += b"x" * (3 - len(large) % 4)
    chance = random.Random(1)

    for reach in (200_000, 70_000, 30_000, 5_000):
        scan, at = StreamFilter(drop_usage=True), 0
        while at < len(large):
            step = chance.randrange(1, reach + 1)
            scan.feed(large[at : at + step])
            at += step
        scan.feed(b"\n\n")
        assert (scan.events, scan.text_bytes) == (1, len(large))
        assert scan.tokens == len(large) // 4


def test_large_block_counts_the_same_in_one_piece() -> None:
    large = b'data: {"choices":"' + b"x" * 100_000 + b'"}'
    large += b" " * (3 - len(large) % 4)
    _, scan = run([large + b"\n\n"], drop_usage=True)

    assert (scan.text_bytes, scan.tokens) == (len(large), len(large) // 4)


def test_block_is_held_until_it_outgrows_what_is_held() -> None:
    scan = StreamFilter(drop_usage=True)

    assert scan.feed(LARGEST[:-2] + b"xxxxx") == b""
    assert len(scan.feed(b"x")) == HOLD_MAX + 4


def test_block_in_pieces_counts_no_byte_too_many() -> None:
    block = DELTA.replace(b"hi", b"abcdefg")
    _, scan = run([block[:9], block[9:]], drop_usage=True)

    assert (scan.text_bytes, scan.tokens) == (7, 1)


def test_what_is_held_at_the_end_is_given_out_once() -> None:
    scan = StreamFilter(drop_usage=True)
    scan.feed(DELTA[:-1])

    assert (scan.finish(), scan.finish(), scan.events) == (DELTA[:-1], b"", 1)
