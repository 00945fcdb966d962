"""Frames of the tunnel, version 1: six bytes, then payload; sans-I/O.

One WebSocket message is one frame. Stream 0 is the link itself.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import NamedTuple

HEAD = struct.Struct(">BBI")
CODE = struct.Struct(">H")
OFFSET = struct.Struct(">Q")

FIN = 1
UNTOUCHED = 2

DATA_MAX = 16_384
PAYLOAD_MAX = 65_536
DETAIL_MAX = 200


class Kind(IntEnum):
    """What a frame is."""

    CHALLENGE = 0x01
    HELLO = 0x02
    WELCOME = 0x03
    STATE = 0x04
    TOKEN = 0x05
    ASSIGN = 0x06
    DRAIN = 0x07
    PING = 0x08
    PONG = 0x09
    OPEN = 0x10
    HEADERS = 0x11
    DATA = 0x12
    RESET = 0x13
    CREDIT = 0x14


class Code(IntEnum):
    """Why a stream was broken off."""

    CANCEL = 1
    BUSY = 2
    DRAINING = 3
    UNREACHABLE = 4
    ENGINE_RESET = 5
    ENGINE_PROTOCOL = 6
    ENGINE_SILENT = 7
    TOO_LARGE = 8
    FLOW = 9
    UNKNOWN_MODEL = 10
    INTERNAL = 11


class ProtocolFault(Exception):
    """The other side does not speak as agreed; the link is closed with this code."""

    def __init__(self, sentence: str, close_code: int = 4400) -> None:
        super().__init__(sentence)
        self.close_code = close_code


class Frame(NamedTuple):
    """One frame as it came."""

    kind: Kind
    flags: int
    stream: int
    payload: bytes


KINDS = {int(kind): kind for kind in Kind}


def encode(kind: Kind, payload: bytes = b"", *, stream: int = 0, flags: int = 0) -> bytes:
    """Return the bytes of a frame."""
    return HEAD.pack(kind, flags, stream) + payload


def decode(message: bytes) -> Frame:
    """Read a frame; raises ``ProtocolFault`` for what is none."""
    if len(message) < HEAD.size:
        raise ProtocolFault(f"a frame of {len(message)} bytes has no head")
    if len(message) > HEAD.size + PAYLOAD_MAX:
        raise ProtocolFault(f"a frame of {len(message)} bytes is too large", 1009)
    number, flags, stream = HEAD.unpack_from(message)
    kind = KINDS.get(number)
    if kind is None:
        raise ProtocolFault(f"frame type {number:#04x} is unknown")
    return Frame(kind, flags, stream, message[HEAD.size :])


def reset(stream: int, code: Code, detail: str = "", *, untouched: bool = False) -> bytes:
    """Return the frame that breaks a stream off."""
    said = detail.encode()[:DETAIL_MAX].decode(errors="ignore").encode()
    flags = UNTOUCHED if untouched else 0
    return encode(Kind.RESET, CODE.pack(code) + said, stream=stream, flags=flags)


def read_reset(payload: bytes) -> tuple[int, str]:
    """Return code and detail of a RESET."""
    if len(payload) < CODE.size:
        raise ProtocolFault("a RESET has no code")
    return CODE.unpack_from(payload)[0], payload[CODE.size :].decode(errors="replace")


def credit(stream: int, offset: int) -> bytes:
    """Return the frame that lets the peer send up to ``offset``."""
    return encode(Kind.CREDIT, OFFSET.pack(offset), stream=stream)


def read_credit(payload: bytes) -> int:
    """Return the offset of a CREDIT."""
    if len(payload) != OFFSET.size:
        raise ProtocolFault("a CREDIT is not eight bytes")
    offset: int = OFFSET.unpack(payload)[0]
    return offset
