"""WebSocket frames are cut as the library writes them, wherever reads fall; the rest is refused."""

from __future__ import annotations

import random
import struct

import pytest
from websockets.client import ClientProtocol
from websockets.frames import Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from inference.fleet.tunnel import handshake, websocket
from inference.fleet.tunnel.frames import MESSAGE_MAX
from inference.tests.tunnels import headers_of

SIZES = (0, 1, 6, 125, 126, 127, 206, 16390, 65535, 65536, MESSAGE_MAX)


def client() -> ClientProtocol:
    """Return a client whose handshake is through."""
    made = ClientProtocol(parse_uri("ws://localhost/agents/v1/tunnel"), max_size=None)
    made.send_request(made.connect())
    made.receive_data(handshake.answer(headers_of(b"".join(made.data_to_send()))))
    [_] = made.events_received()
    assert made.state is State.OPEN
    return made


def sent(*messages: bytes) -> bytes:
    made = client()
    for message in messages:
        made.send_binary(message)
    return b"".join(made.data_to_send())


def raw(first: int, second: int, payload: bytes = b"", mask: bytes = b"\0\0\0\0") -> bytes:
    return bytes((first, second)) + mask + payload


def payloads(found: list[websocket.Message]) -> list[bytes]:
    assert {opcode for opcode, _ in found} <= {websocket.BINARY}
    return [payload for _, payload in found]


def test_short_messages_are_read_whatever_two_places_the_bytes_are_split_at() -> None:
    messages = [b"", b"a", b"x" * 126, b"end"]
    data = sent(*messages)
    for first in range(len(data)):
        for second in range(first, len(data), 7):
            reader, found = websocket.Reader(MESSAGE_MAX), []
            for piece in (data[:first], data[first:second], data[second:]):
                found += payloads(reader.feed(piece))
            assert (found, reader.fault) == (messages, 0)


@pytest.mark.parametrize("seed", range(40))
def test_messages_of_every_size_survive_reads_of_any_size(seed: int) -> None:
    chance = random.Random(seed)
    messages = [chance.randbytes(chance.choice(SIZES)) for _ in range(8)]
    data, reader, found = sent(*messages), websocket.Reader(MESSAGE_MAX), []
    at = 0
    while at < len(data):
        size = chance.choice((1, 2, 3, 5, 13, 206, 4096, 70_000))
        found += payloads(reader.feed(data[at : at + size]))
        at += size

    assert found == messages
    assert reader.fault == 0


def test_frame_that_comes_byte_by_byte_is_put_together_once() -> None:
    data, reader = sent(b"x" * 60_000), websocket.Reader(MESSAGE_MAX)
    found = [message for byte in data for message in reader.feed(bytes((byte,)))]

    assert payloads(found) == [b"x" * 60_000]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(raw(0x81, 0x80), 1003, id="text"),
        pytest.param(raw(0x82, 0x01, b"a"), 1002, id="unmasked"),
        pytest.param(raw(0x02, 0x80), 1002, id="a fragment"),
        pytest.param(raw(0x80, 0x80), 1002, id="a continuation"),
        pytest.param(raw(0xC2, 0x80), 1002, id="a reserved bit, as deflate sets"),
        pytest.param(raw(0x83, 0x80), 1002, id="an unknown opcode"),
        pytest.param(raw(0x8B, 0x80), 1002, id="an unknown control opcode"),
        pytest.param(raw(0x09, 0x80), 1002, id="a ping in fragments"),
        pytest.param(raw(0x89, 0xFE), 1002, id="a ping that is too long"),
        pytest.param(b"\x82\xfe\x00\x05", 1002, id="a length in too many bytes"),
        pytest.param(b"\x82\xff" + struct.pack(">Q", 65535), 1002, id="a length in far too many"),
        pytest.param(b"\x82\xff" + struct.pack(">Q", MESSAGE_MAX + 1), 1009, id="one too large"),
        pytest.param(b"\x82\xff" + b"\xff" * 8, 1009, id="larger than anything"),
    ],
)
@pytest.mark.parametrize("step", [1, 64])
def test_what_is_no_frame_of_ours_is_refused_before_it_is_here(
    data: bytes, code: int, step: int
) -> None:
    reader, found = websocket.Reader(MESSAGE_MAX), []
    good = sent(b"before")
    for at in range(0, len(good + data), step):
        found += reader.feed((good + data)[at : at + step])

    assert found == [(websocket.BINARY, b"before")]
    assert reader.fault == code
    assert reader.why
    assert reader.feed(good) == []


@pytest.mark.parametrize("size", SIZES)
def test_library_reads_what_is_written(size: int) -> None:
    made, payload = client(), random.Random(size).randbytes(size)
    made.receive_data(websocket.write(websocket.BINARY, payload))

    [frame] = made.events_received()
    assert (frame.opcode, bytes(frame.data), frame.fin) == (Opcode.BINARY, payload, True)  # type: ignore[union-attr]


def test_library_reads_a_close_with_its_reason_cut_to_fit() -> None:
    made = client()
    made.receive_data(websocket.close_frame(4400, "ä" * 100))
    made.receive_eof()

    assert made.close_code == 4400
    assert made.close_reason == "ä" * 61


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        pytest.param(b"", 1005, id="without a word"),
        pytest.param(struct.pack(">H", 1000) + b"bye", 1000, id="done"),
        pytest.param(struct.pack(">H", 4999), 4999, id="somebody's own"),
        pytest.param(b"\x03", 1002, id="half a code"),
        pytest.param(struct.pack(">H", 1006), 1002, id="a code that is never said"),
        pytest.param(struct.pack(">H", 999), 1002, id="no code"),
        pytest.param(struct.pack(">H", 1000) + b"\xff", 1007, id="no text"),
    ],
)
def test_close_of_the_other_end_is_read(payload: bytes, code: int) -> None:
    assert websocket.read_close(payload)[0] == code


@pytest.mark.parametrize("seed", range(30))
def test_random_bytes_end_in_a_fault_or_wait_for_more(seed: int) -> None:
    chance = random.Random(seed)
    reader = websocket.Reader(MESSAGE_MAX)
    for _ in range(50):
        for _, payload in reader.feed(chance.randbytes(chance.randrange(1, 300))):
            assert len(payload) <= MESSAGE_MAX

    assert reader.fault in (0, 1002, 1003, 1009)
