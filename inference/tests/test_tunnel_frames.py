"""Frames mean the same at both ends; whatever is malformed is one error, and never another."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import msgpack

from inference.fleet.tunnel import frames, messages
from inference.fleet.tunnel.frames import Nonsense
from inference.tests.identities import Identity, Platform

READERS: list[Callable[[bytes], object]] = [
    frames.read_head,
    frames.read_reset,
    frames.read_credit,
    frames.read_mark,
    messages.read_hello,
    messages.read_token,
    messages.read_drain,
    messages.read_state,
    messages.read_answer,
]
AGENT = Identity(Platform())
HELLO = AGENT.hello("gtw", b"\0" * 32)
STATE = AGENT.state("boot")


def test_head_of_a_frame_is_six_bytes_in_network_order() -> None:
    frame = frames.frame(frames.DATA, b"payload", 0x01020304, frames.FIN)

    assert frame == b"\x12\x01\x01\x02\x03\x04payload"
    assert frames.read_head(frame) == (frames.DATA, frames.FIN, 0x01020304)


def test_reset_and_credit_are_read_as_they_were_written() -> None:
    reset, credit = frames.reset_frame(7, frames.BUSY, "ä" * 150), frames.credit_frame(7, 2**40)

    assert frames.read_reset(reset[6:]) == (frames.BUSY, "ä" * 100)
    assert frames.read_credit(credit[6:]) == 2**40


def test_words_of_a_reset_cannot_forge_lines_of_a_log() -> None:
    assert frames.read_reset(b"\0\5a\r\nb\xff") == (frames.BROKEN, "a  b\ufffd")


@pytest.mark.parametrize(("size", "fits"), [(48 * 1024, True), (48 * 1024 + 1, False)])
def test_small_body_goes_with_the_request(size: int, fits: bool) -> None:
    assert frames.fits_inside(b"head", b"x" * size) is fits


def test_head_and_body_together_stay_within_a_message() -> None:
    head, body = b"h" * 20_000, b"b" * (48 * 1024)

    assert not frames.fits_inside(head, body)
    assert len(frames.open_frame(1, b"h" * 16_000, body)) <= frames.MESSAGE_MAX


@pytest.mark.parametrize("read", READERS, ids=lambda read: read.__name__)
@given(data=st.binary(max_size=80))
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_read_or_are_nonsense(read: Any, data: bytes) -> None:
    with suppress(Nonsense):
        read(data)


@given(
    data=st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.binary() | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    )
)
@settings(max_examples=200, deadline=None)
def test_any_msgpack_is_read_or_is_nonsense(data: Any) -> None:
    for read in READERS[4:]:
        with suppress(Nonsense):
            read(msgpack.encode(data))


@pytest.mark.parametrize("data", [b"\x81" * 8000, b"\x91" * 8000], ids=["maps", "lists"])
def test_nesting_without_end_is_nonsense(data: bytes) -> None:
    said = msgpack.encode(STATE)
    for payload in (data, said[:1] + msgpack.encode("new") + data):
        with pytest.raises(Nonsense):
            messages.read_state(payload)


def test_members_that_nobody_knows_are_dropped() -> None:
    read = messages.read_hello(msgpack.encode({**HELLO, "later": [1, {"a": b"b"}]}))

    assert (read.token, read.epoch) == (HELLO["token"], 1)


@pytest.mark.parametrize("name", HELLO)
@pytest.mark.parametrize("change", ["missing", "wrong"])
def test_hello_without_a_member_or_with_a_wrong_one_is_nonsense(name: str, change: str) -> None:
    said = {**HELLO, name: {"wrong": 1}}
    if change == "missing":
        del said[name]

    with pytest.raises(Nonsense):
        messages.read_hello(msgpack.encode(said))


@pytest.mark.parametrize("name", STATE)
@pytest.mark.parametrize("change", ["missing", "wrong"])
def test_state_without_a_member_or_with_a_wrong_one_is_nonsense(name: str, change: str) -> None:
    said = {**STATE, name: b"wrong"}
    if change == "missing":
        del said[name]

    with pytest.raises(Nonsense):
        messages.read_state(msgpack.encode(said))


@pytest.mark.parametrize(
    "change",
    [
        {"kv": 1.5},
        {"kv": float("nan")},
        {"running": -1},
        {"slots": 2**60},
        {"tokens_per_s": float("inf")},
        {"tokens_per_s": float("nan")},
        {"xim": "x" * 9000},
    ],
    ids=str,
)
def test_figures_that_cannot_be_are_nonsense(change: dict[str, Any]) -> None:
    with pytest.raises(Nonsense):
        messages.read_state(msgpack.encode({**STATE, **change}))


def test_key_and_signature_have_their_size() -> None:
    for change in ({"key": b"k" * 31}, {"signature": b"s" * 65}):
        with pytest.raises(Nonsense):
            messages.read_hello(msgpack.encode({**HELLO, **change}))
