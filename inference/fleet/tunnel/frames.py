"""Frames of the tunnel as bytes (codec): six bytes of head, then what the kind of frame holds.

``type u8 · flags u8 · stream u32``, big endian, and one WebSocket message is one frame. Only
shapes are judged here; whether a frame may come now is for ``link``. Whatever is malformed is
``Nonsense``, and nothing else is ever raised. The bytes are told to others in docs/tunnel.md.
"""

from __future__ import annotations

import struct
from typing import Final

CHALLENGE: Final = 0x01
HELLO: Final = 0x02
WELCOME: Final = 0x03
STATE: Final = 0x04
TOKEN: Final = 0x05
ASSIGN: Final = 0x06
DRAIN: Final = 0x07
PING: Final = 0x08
PONG: Final = 0x09
OPEN: Final = 0x10
HEADERS: Final = 0x11
DATA: Final = 0x12
RESET: Final = 0x13
CREDIT: Final = 0x14

FIN: Final = 1
UNTOUCHED: Final = 2

CANCEL: Final = 1
BUSY: Final = 2
DRAINING: Final = 3
UNREACHABLE: Final = 4
BROKEN: Final = 5
PROTOCOL: Final = 6
SILENT: Final = 7
TOO_LARGE: Final = 8
FLOW: Final = 9
UNKNOWN_MODEL: Final = 10
INTERNAL: Final = 11

HEAD_BYTES: Final = 6
DATA_MAX: Final = 16 * 1024
PAYLOAD_MAX: Final = 64 * 1024
MESSAGE_MAX: Final = HEAD_BYTES + PAYLOAD_MAX
STATE_MAX: Final = 8 * 1024
DETAIL_MAX: Final = 200
BODY_INSIDE_MAX: Final = 48 * 1024
"""A request's body up to here goes inside OPEN."""
OPEN_HEAD_MAX: Final = 0xFFFF - 2
"""Of the head inside OPEN: its length is a u16, and a payload has a bound."""
LAST_STREAM: Final = 2**31 - 1
"""Then a link has had its time."""

_HEAD: Final = struct.Struct(">BBI")
_U16: Final = struct.Struct(">H")
_U64: Final = struct.Struct(">Q")
MARK_BYTES: Final = 8
"""Of a ping, and of a credit."""


class Nonsense(Exception):
    """A frame that is none: the link it came by ends with 4400."""


def frame(kind: int, payload: bytes = b"", stream: int = 0, flags: int = 0) -> bytes:
    """Write a frame."""
    return _HEAD.pack(kind, flags, stream) + payload


def read_head(message: bytes) -> tuple[int, int, int]:
    """Read type, flags and stream. Raises ``Nonsense``."""
    if len(message) < HEAD_BYTES:
        raise Nonsense("a frame has six bytes of head")
    kind, flags, stream = _HEAD.unpack_from(message)
    return kind, flags, stream


def reset_frame(stream: int, code: int, detail: str = "") -> bytes:
    """Write the end of a stream that is not its FIN."""
    words = detail.encode()[:DETAIL_MAX].decode(errors="ignore").encode()
    return frame(RESET, _U16.pack(code) + words, stream)


def read_reset(payload: bytes) -> tuple[int, str]:
    """Read code and detail of a RESET. Raises ``Nonsense``."""
    if not _U16.size <= len(payload) <= _U16.size + DETAIL_MAX:
        raise Nonsense("a RESET has a code and at most 200 bytes of detail")
    (code,) = _U16.unpack_from(payload)
    said = payload[_U16.size :].decode(errors="replace")
    return code, "".join(letter if letter.isprintable() else " " for letter in said)


def credit_frame(stream: int, offset: int) -> bytes:
    """Write up to which byte of a stream the peer may send."""
    return frame(CREDIT, _U64.pack(offset), stream)


def read_credit(payload: bytes) -> int:
    """Read an offset. Raises ``Nonsense``."""
    offset: int = _U64.unpack(read_mark(payload))[0]
    return offset


def read_mark(payload: bytes) -> bytes:
    """Read the eight bytes of a ping. Raises ``Nonsense``."""
    if len(payload) != MARK_BYTES:
        raise Nonsense("eight bytes were expected")
    return payload


def open_frame(stream: int, head: bytes, body: bytes | None) -> bytes:
    """Write a request; ``body``: all of it, which ends it here; none: it follows as DATA."""
    payload = _U16.pack(len(head)) + head + (body or b"")
    return frame(OPEN, payload, stream, 0 if body is None else FIN)


def fits_inside(head: bytes, body: bytes) -> bool:
    """Say whether a body goes inside OPEN."""
    return len(body) <= BODY_INSIDE_MAX and _U16.size + len(head) + len(body) <= PAYLOAD_MAX
