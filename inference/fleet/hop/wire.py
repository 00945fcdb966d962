"""What gateways say to each other, as bytes (codec): one connection is one request.

``kind u8 · flags u8 · length u32``, big endian, then so many bytes. The asker begins:

    HELLO     asker      a nonce
    GREETING  answerer   a nonce, and the proof that this is the gateway it should be
    OPEN      asker      the proof of the asker, and the head of the request
    CREDIT    answerer   u64: up to which byte the body may be sent, if it has no length yet
    DATA      both       a piece of the body; with FIN the last
    HEADERS   answerer   u16 status, then header lines
    FAIL      answerer   why it can't be: a reason's place among ``REASONS``, then words

What is malformed is ``Nonsense``, and nothing else is ever raised.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from msgspec import MsgspecError, msgpack

from inference.fleet.hop.proof import NONCE_BYTES, PROOF_BYTES
from inference.fleet.ports import WorkerFailed
from inference.http.lines import Headers, Lines

HELLO: Final = 1
GREETING: Final = 2
OPEN: Final = 3
CREDIT: Final = 4
DATA: Final = 5
HEADERS: Final = 6
FAIL: Final = 7

FIN: Final = 1
DECLINED: Final = 2
"""Of FAIL: it is nobody's fault (``WorkerFailed.is_declined``)."""
GONE: Final = 4
"""Of FAIL: not the agent says so, but its gateway, which has no way to it: ask another."""

REASONS: Final = ("connect", "reset", "timeout", "protocol")
PIECE_MAX: Final = 64 * 1024
PAYLOAD_MAX: Final = 2 * PIECE_MAX
"""The largest is OPEN: a caller's head has a bound that is far below."""
DETAIL_MAX: Final = 200
STREAMED: Final = -1
"""A body's length while it is being written."""

_HEAD: Final = struct.Struct(">BBI")
_U16: Final = struct.Struct(">H")
_U64: Final = struct.Struct(">Q")


class Nonsense(Exception):
    """No gateway of ours says that: its connection ends."""


@dataclass(frozen=True)
class Question:
    """What an agent is asked: ``model`` as it calls it itself. ``length`` is the body's."""

    agent: str
    model: str
    path: str
    lines: Lines
    length: int
    is_probe: bool = False


class Reader:
    """Cuts what arrives into frames, as they are wanted."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen = bytearray()

    def feed(self, data: bytes) -> None:
        """Take one read."""
        self._seen += data

    def next(self) -> tuple[int, int, bytes] | None:
        """Return kind, flags and payload of the next frame; none if it is not all there."""
        seen = self._seen
        if len(seen) < _HEAD.size:
            return None
        kind, flags, length = _HEAD.unpack_from(seen)
        if length > PAYLOAD_MAX:
            raise Nonsense("a frame that is too long")
        end = _HEAD.size + length
        if len(seen) < end:
            return None
        payload = bytes(seen[_HEAD.size : end])
        del seen[:end]
        return kind, flags, payload


def frame(kind: int, payload: bytes = b"", flags: int = 0) -> bytes:
    """Write a frame."""
    return _HEAD.pack(kind, flags, len(payload)) + payload


def data_frames(data: bytes, *, is_last: bool = False) -> Iterator[bytes]:
    """Write a piece of a body, however long."""
    for at in range(0, len(data), PIECE_MAX):
        is_end = is_last and at + PIECE_MAX >= len(data)
        yield frame(DATA, data[at : at + PIECE_MAX], FIN if is_end else 0)
    if is_last and not data:
        yield frame(DATA, b"", FIN)


def read_nonce(payload: bytes) -> bytes:
    """Read HELLO."""
    if len(payload) != NONCE_BYTES:
        raise Nonsense("a nonce was expected")
    return payload


def read_greeting(payload: bytes) -> tuple[bytes, bytes]:
    """Read nonce and proof of GREETING."""
    if len(payload) != NONCE_BYTES + PROOF_BYTES:
        raise Nonsense("a nonce and a proof were expected")
    return payload[:NONCE_BYTES], payload[NONCE_BYTES:]


def question_bytes(asked: Question) -> bytes:
    """Write a request's head."""
    said = [asked.agent, asked.model, asked.path, asked.lines, asked.length, asked.is_probe]
    return msgpack.encode(said)


def read_open(payload: bytes) -> tuple[bytes, bytes]:
    """Read proof and head of OPEN, the latter as it was signed."""
    return payload[:PROOF_BYTES], payload[PROOF_BYTES:]


def read_question(head: bytes) -> Question:
    """Read a head that was proven to be a gateway's."""
    try:
        said = msgpack.decode(head, type=tuple[str, str, str, bytes, int, bool])
    except MsgspecError as fault:
        raise Nonsense("a request that is none") from fault
    return Question(*said)


def headers_frame(status: int, headers: Headers) -> bytes:
    """Write an answer's head."""
    lines = b"".join(b"%b: %b\r\n" % field for field in headers)
    return frame(HEADERS, _U16.pack(status) + lines)


def read_headers(payload: bytes) -> tuple[int, Headers]:
    """Read an answer's head."""
    if len(payload) < _U16.size:
        raise Nonsense("a head without a status")
    (status,) = _U16.unpack_from(payload)
    lines = payload[_U16.size :].split(b"\r\n")[:-1]
    pairs = [line.partition(b": ") for line in lines]
    return status, [(name, value) for name, _, value in pairs]


def credit_frame(offset: int) -> bytes:
    """Write up to which byte of the body may be sent."""
    return frame(CREDIT, _U64.pack(offset))


def read_credit(payload: bytes) -> int:
    """Read an offset."""
    if len(payload) != _U64.size:
        raise Nonsense("an offset was expected")
    offset: int = _U64.unpack(payload)[0]
    return offset


def fail_frame(failure: WorkerFailed, *, is_gone: bool = False) -> bytes:
    """Write why there is no answer, or no more of it."""
    flags = (DECLINED if failure.is_declined else 0) | (GONE if is_gone else 0)
    words = str(failure).partition(": ")[2].encode()[:DETAIL_MAX]
    return frame(FAIL, bytes([REASONS.index(failure.reason)]) + words, flags)


def read_fail(flags: int, payload: bytes) -> WorkerFailed:
    """Read why."""
    place = payload[0] if payload else len(REASONS)
    if place >= len(REASONS):
        raise Nonsense("a failure without a reason")
    words = payload[1:].decode(errors="replace")
    return WorkerFailed(REASONS[place], words, is_declined=flags & DECLINED != 0)
