"""What tells a head again by its bytes, and what does not."""

from __future__ import annotations

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.edges.head_cache import CachedHead, is_same, learn
from inference.gate.head import Head

RAW = (
    b"POST /proj_A/chat/v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
    b"Authorization: Bearer x\r\nContent-Length: 12\r\nAccept: */*\r\n\r\n"
)


class Parsed:
    """What llhttp makes of a head."""

    def __init__(self, data: bytes) -> None:
        self.fields: list[tuple[bytes, bytes]] = []
        self.target = b""
        self.is_complete = False
        self.parser = httptools.HttpRequestParser(self)
        self.parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self.is_complete = True

    @property
    def head(self) -> Head:
        return Head(self.parser.get_method(), self.target, self.fields)


def known() -> CachedHead:
    found = learn(RAW + b"body", Parsed(RAW).head)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("data", "length"),
    [
        pytest.param(RAW, 12, id="itself"),
        pytest.param(RAW.replace(b" 12", b" 0") + b"next", 0, id="no body"),
        pytest.param(RAW.replace(b" 12", b" 12345678"), 12345678, id="as long as may be"),
        pytest.param(RAW.replace(b" 12", b" 007"), 7, id="noughts in front"),
    ],
)
def test_same_head_with_another_length_is_known(data: bytes, length: int) -> None:
    head = known()

    assert head.recognise(data) == length
    assert head.size == data.index(b"\r\n\r\n") + 4


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(RAW[:-1], id="not complete"),
        pytest.param(RAW[:40], id="begun"),
        pytest.param(b"\r\n" + RAW, id="a line end in front"),
        pytest.param(RAW.replace(b"Bearer x", b"Bearer y"), id="another key"),
        pytest.param(RAW.replace(b"Accept: ", b"Accept:  "), id="another space"),
        pytest.param(RAW.replace(b"Host", b"host"), id="another spelling"),
        pytest.param(RAW.replace(b" 12", b" "), id="no digits"),
        pytest.param(RAW.replace(b" 12", b" 1 2"), id="a space in the length"),
        pytest.param(RAW.replace(b" 12", b" +12"), id="a sign"),
        pytest.param(RAW.replace(b" 12", b" -1"), id="less than nothing"),
        pytest.param(RAW.replace(b" 12", b" 12, 12"), id="two lengths in one"),
        pytest.param(RAW.replace(b" 12", b" 123456789"), id="too long a number"),
        pytest.param(RAW.replace(b" 12", " ١٢".encode()), id="digits of another script"),
        pytest.param(
            RAW.replace(b"Accept", b"Transfer-Encoding: chunked\r\nAccept"), id="another framing"
        ),
    ],
)
def test_anything_else_goes_to_the_parser(data: bytes) -> None:
    assert known().recognise(data) == -1


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(RAW.replace(b"POST", b"PUT"), id="another method"),
        pytest.param(RAW.replace(b"Content-Length: 12\r\n", b""), id="no length"),
        pytest.param(RAW.replace(b"Accept: */*", b"Expect: 100-continue"), id="Expect"),
        pytest.param(
            RAW.replace(b"Content-Length: 12", b"Transfer-Encoding: chunked"), id="chunks"
        ),
        pytest.param(
            RAW.replace(b"Accept: */*", b"X: 1\r\n\tContent-Length: 12"), id="folded line"
        ),
    ],
)
def test_heads_of_other_kinds_are_not_learned(raw: bytes) -> None:
    parsed = Parsed.__new__(Parsed)
    try:
        parsed.__init__(raw)  # type: ignore[misc] # why: llhttp may refuse it half-way
    except httptools.HttpParserError:
        return
    assert learn(raw, parsed.head) is None


def test_head_is_not_learned_from_bytes_that_are_not_its_own() -> None:
    other = RAW.replace(b"/chat/v1", b"/other/v1")

    assert learn(other + RAW, Parsed(RAW).head) is None


NAMES = st.sampled_from([b"Host", b"X-A", b"Accept", b"content-length", b"Content-Length"])
VALUES = st.sampled_from([b"1", b"12", b"a", b"", b"a b", b"12\t"])


@given(
    fields=st.lists(st.tuples(NAMES, VALUES), max_size=5),
    length=st.integers(0, 10**8 - 1),
    change=st.tuples(st.integers(0, 400), st.sampled_from([b"", b" ", b"\r", b"\n", b"1", b"x"])),
)
def test_what_is_known_again_the_parser_would_have_read_alike(
    fields: list[tuple[bytes, bytes]], length: int, change: tuple[int, bytes]
) -> None:
    """The parser is the judge: a head that is recognised differs for it in its length alone."""
    lines = b"".join(b"%b: %b\r\n" % pair for pair in fields)
    raw = RAW[:-2] + lines + b"\r\n"
    try:
        head = Parsed(raw).head
    except httptools.HttpParserError:
        return
    found = learn(raw, head)
    if found is None:
        return
    again = raw.replace(b": 12\r\n", b": %d\r\n" % length, 1)
    at, put = change
    again = again[:at] + put + again[at + 1 :] if at < 300 else again

    said = found.recognise(again)

    if said >= 0:
        other = Parsed(again[: found.size])
        assert other.is_complete
        assert is_same(head, other.head)
        assert other.head.announced == said
