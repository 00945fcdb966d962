"""What is guarded: bodies are read as they were sent, however they are cut, and never half."""

from __future__ import annotations

import random
from itertools import pairwise

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xim.web.body import Body, Chunks, NoBody, body_of


def in_chunks(pieces: list[bytes], tail: bytes = b"") -> bytes:
    told = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces if piece)
    return told + b"0\r\n" + tail + b"\r\n"


def fed(body: Body, data: bytes, cuts: list[int]) -> bytes:
    """Feed what came in pieces cut at these places."""
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    spans = pairwise(edges)
    return b"".join(body.feed(data[start:end]) for start, end in spans)


CUTS = st.lists(st.integers(0, 10_000), max_size=12)


@given(st.lists(st.binary(max_size=300), max_size=8), CUTS, st.sampled_from([b"", b"x: y\r\n"]))
def test_chunks_cut_anywhere_are_the_body(
    pieces: list[bytes], cuts: list[int], tail: bytes
) -> None:
    body = Chunks()

    assert fed(body, in_chunks(pieces, tail), cuts) == b"".join(pieces)
    assert body.has_ended
    assert body.hung_up()


@given(st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=4), st.integers(1, 300))
def test_chunks_that_break_off_anywhere_are_never_whole(pieces: list[bytes], short: int) -> None:
    told = in_chunks(pieces)
    body = Chunks()
    got = body.feed(told[: max(0, len(told) - short)])

    assert b"".join(pieces).startswith(got)
    assert not body.hung_up()


@given(st.binary(max_size=400), CUTS)
def test_bytes_that_are_no_chunks_are_never_taken_for_others_than_h11_takes(
    data: bytes, cuts: list[int]
) -> None:
    try:
        ours, ends = fed(body := Chunks(), data, cuts), body.has_ended
    except NoBody:
        return
    theirs = by_h11(data)

    assert not ends or theirs is None or theirs == ours


def by_h11(data: bytes) -> bytes | None:
    """Return the body as h11 reads it; None if it does not."""
    http = h11.Connection(h11.CLIENT)
    http.send(h11.Request(method="GET", target="/", headers=[("host", "x")]))
    http.send(h11.EndOfMessage())
    http.receive_data(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + data)
    body = b""
    try:
        while not isinstance(event := http.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                return None
            body += bytes(event.data) if isinstance(event, h11.Data) else b""
    except h11.RemoteProtocolError:
        return None
    return body


@given(st.binary(max_size=500), CUTS)
def test_body_of_a_length_ends_with_it_and_not_before(whole: bytes, cuts: list[int]) -> None:
    body = Body(len(whole))

    assert fed(body, whole + b"more", cuts) == whole
    assert body.hung_up()
    assert not Body(len(whole) + 1).hung_up()


@given(st.binary(max_size=500), CUTS)
def test_body_without_a_length_ends_with_its_connection(whole: bytes, cuts: list[int]) -> None:
    body = Body(None)

    assert fed(body, whole, cuts) == whole
    assert not body.has_ended
    assert body.hung_up()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"x\r\n", id="no number"),
        pytest.param(b"\r\n", id="no size"),
        pytest.param(b"-1\r\n", id="less than nothing"),
        pytest.param(b"1" * 16 + b"\r\n", id="more than there is"),
        pytest.param(b"1_0\r\n", id="a number of Python's"),
        pytest.param(b"3\r\nabcd\r\n", id="longer than it said"),
        pytest.param(b"a" * 5000, id="a line without end"),
        pytest.param(b"0\r\n" + b"x: y\r\n" * 20_000, id="trailers without end"),
    ],
)
def test_what_is_no_chunk_is_refused(data: bytes) -> None:
    with pytest.raises(NoBody):
        Chunks().feed(data)


def test_chunks_that_came_together_are_passed_on_together() -> None:
    dice = random.Random(1)
    pieces = [dice.randbytes(200) for _ in range(50)]

    assert Chunks().feed(in_chunks(pieces)) == b"".join(pieces)


@pytest.mark.parametrize(
    ("status", "lines", "whole"),
    [
        (200, [(b"content-length", b"0")], True),
        (204, [], True),
        (304, [(b"content-length", b"7")], True),
        (200, [], False),
        (200, [(b"content-length", b"7")], False),
        (200, [(b"transfer-encoding", b"chunked"), (b"content-length", b"0")], False),
    ],
)
def test_head_says_how_its_body_ends(
    status: int, lines: list[tuple[bytes, bytes]], whole: bool
) -> None:
    assert body_of(status, lines).has_ended is whole
