"""WebSocket frames as a server reads and writes them (RFC 6455, sans-IO), and no more of it.

One message is one frame: binary, masked, without extensions, and not larger than one frame of
the tunnel. Whatever else comes is a fault, named by the code that closes the connection for it;
what came before it in the same read still counts. The handshake is in ``handshake``.
"""

from __future__ import annotations

import struct
from typing import Final

from websockets.speedups import apply_mask

CONTINUATION: Final = 0x0
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA

DONE: Final = 1000
AWAY: Final = 1001
PROTOCOL_ERROR: Final = 1002
UNSUPPORTED: Final = 1003
NO_CODE: Final = 1005
BAD_TEXT: Final = 1007
TOO_BIG: Final = 1009

_FIN: Final = 0x80
_RSV: Final = 0x70
_MASKED: Final = 0x80
_KNOWN: Final = (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG)
_USUAL: Final = _FIN | BINARY
_CONTROL_MAX: Final = 125
_REASON_MAX: Final = 123
_TWO, _EIGHT = 126, 127
_HEAD_BYTES: Final = 2
_MASK_BYTES: Final = 4
_U16_MAX: Final = 0xFFFF
_SAID: Final = frozenset({*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)})
"""Codes that a close may hold (RFC 6455 section 7.4, and those that were registered since)."""
_U16: Final = struct.Struct(">H")
_U64: Final = struct.Struct(">Q")

Message = tuple[int, bytes]
"""An opcode, and what it carries."""


class Reader:
    """Cuts what a client sends into messages. ``fault`` is not 0 once it can't go on."""

    def __init__(self, size_max: int) -> None:
        self._size_max = size_max
        self._pieces: list[bytes] = []
        self._here = 0
        self._needed = _HEAD_BYTES
        self._length = 0
        self.fault = 0
        self.why = ""

    def feed(self, data: bytes) -> list[Message]:
        """Take one read, however it was cut, and return what is complete in it."""
        if self.fault:
            return []
        self._here += len(data)
        self._pieces.append(data)
        if self._here < self._needed:  # A frame in many pieces is put together only once.
            return []
        whole = b"".join(self._pieces) if len(self._pieces) > 1 else data
        found, at = self._cut(whole)
        rest = whole[at:]
        self._pieces, self._here = ([rest] if rest else []), len(rest)
        return found

    def _cut(self, data: bytes) -> tuple[list[Message], int]:
        found: list[Message] = []
        at = 0
        while True:
            self._needed = self._size_of(data, at)
            if self.fault or len(data) - at < self._needed:
                return found, at
            end = at + self._needed
            start = end - self._length
            payload = apply_mask(data[start:end], data[start - _MASK_BYTES : start])
            found.append((data[at] & 0xF, payload))
            at = end

    def _size_of(self, data: bytes, at: int) -> int:
        """Return how many bytes are needed from here; only a whole head tells the frame's."""
        have = len(data) - at
        if have < _HEAD_BYTES:
            return _HEAD_BYTES
        first, second = data[at], data[at + 1]
        if (first != _USUAL or second < _MASKED) and not self._is_sound(first, second):
            return 0
        self._length = length = second & 0x7F
        head = _HEAD_BYTES
        if length >= _TWO:
            head = 4 if length == _TWO else 10
            if have < head:
                return head
            packed = _U16 if length == _TWO else _U64
            self._length = packed.unpack_from(data, at + 2)[0]
            if self._length < (_TWO if length == _TWO else _U16_MAX + 1):
                return self._refuse(PROTOCOL_ERROR, "a length in more bytes than it needs")
        if self._length > self._size_max:
            return self._refuse(TOO_BIG, "a message is larger than a frame may be")
        return head + _MASK_BYTES + self._length

    def _is_sound(self, first: int, second: int) -> bool:
        opcode = first & 0xF
        if first & _RSV or opcode not in _KNOWN:
            self._refuse(PROTOCOL_ERROR, "an extension nobody agreed on")
        elif not first & _FIN or opcode == CONTINUATION:
            self._refuse(PROTOCOL_ERROR, "a message in fragments")
        elif not second & _MASKED:
            self._refuse(PROTOCOL_ERROR, "a frame without a mask")
        elif opcode == TEXT:
            self._refuse(UNSUPPORTED, "a text message")
        elif opcode >= CLOSE and second & 0x7F > _CONTROL_MAX:
            self._refuse(PROTOCOL_ERROR, "a control frame that is too long")
        return not self.fault

    def _refuse(self, code: int, why: str) -> int:
        self.fault, self.why = code, why
        return 0


def write(opcode: int, payload: bytes) -> bytes:
    """Write one message, as servers do: unmasked."""
    size = len(payload)
    if size < _TWO:
        return bytes((_FIN | opcode, size)) + payload
    if size <= _U16_MAX:
        return bytes((_FIN | opcode, _TWO)) + _U16.pack(size) + payload
    return bytes((_FIN | opcode, _EIGHT)) + _U64.pack(size) + payload


def close_frame(code: int, reason: str = "") -> bytes:
    """Write the message that ends a connection."""
    words = reason.encode()[:_REASON_MAX].decode(errors="ignore").encode()
    return write(CLOSE, _U16.pack(code) + words)


def read_close(payload: bytes) -> tuple[int, str]:
    """Read code and reason of a close; the code is our fault to close with, if it is malformed."""
    if not payload:
        return NO_CODE, ""
    if len(payload) == 1:
        return PROTOCOL_ERROR, "a close of one byte"
    (code,) = _U16.unpack_from(payload)
    if not _may_be_said(code):
        return PROTOCOL_ERROR, f"a close with {code}"
    try:
        reason = payload[2:].decode()
    except UnicodeDecodeError:
        return BAD_TEXT, "a reason that is no text"
    return code, "".join(letter if letter.isprintable() else " " for letter in reason)


def _may_be_said(code: int) -> bool:
    return code in _SAID
