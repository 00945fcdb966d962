"""The body of an answer out of what a connection brings (HTTP/1.1 framing); sans-I/O.

h11 reads heads, where care matters most. A stream of tokens is thousands of small chunks, for
each of which it takes ten times as long as this.
"""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus

LINE_MAX = 4096
LINE_END = 2
SIZE_DIGITS_MAX = 15
TRAILERS_MAX = 64 << 10
HEX = frozenset(b"0123456789abcdefABCDEF")
BODILESS = {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}


class NoBody(ValueError):
    """What came is no body as the head announced it."""


class Body:
    """A body of a known length, or one that ends with its connection (length None)."""

    def __init__(self, length: int | None) -> None:
        self._left = length
        self.has_ended = length == 0

    def feed(self, data: bytes) -> bytes:
        """Take what came; return what of it is body."""
        if self._left is None:
            return data
        piece = data[: self._left]
        self._left -= len(piece)
        self.has_ended = not self._left
        return piece

    def hung_up(self) -> bool:
        """Hear that nothing more comes; say whether the body is whole."""
        self.has_ended = self.has_ended or self._left is None
        return self.has_ended


class Chunks(Body):
    """A body in chunks; those that came together are returned together."""

    def __init__(self) -> None:
        super().__init__(None)
        self._buffer = bytearray()
        self._chunk = 0
        """Bytes of the current chunk that are still to come, with the line end behind it."""
        self._trails = False
        self._trailers = 0

    def feed(self, data: bytes) -> bytes:
        """Take what came; return what of it is body."""
        self._buffer += data
        pieces: list[bytes] = []
        while not self.has_ended and self._step(pieces):
            pass
        return b"".join(pieces)

    def hung_up(self) -> bool:
        """Hear that nothing more comes; say whether the body is whole."""
        return self.has_ended

    def _step(self, pieces: list[bytes]) -> bool:
        """Understand one thing more; say whether there was enough for it."""
        if self._chunk:
            return self._take(pieces)
        end = self._buffer.find(b"\r\n", 0, LINE_MAX)
        if end < 0:
            if len(self._buffer) >= LINE_MAX:
                raise NoBody("a line between chunks has no end")
            return False
        line = bytes(self._buffer[:end])
        del self._buffer[: end + LINE_END]
        if self._trails:
            self._trail(line)
        else:
            self._begin(line)
        return True

    def _take(self, pieces: list[bytes]) -> bool:
        count = min(self._chunk - LINE_END, len(self._buffer))
        if count > 0:
            pieces.append(bytes(self._buffer[:count]))
            del self._buffer[:count]
            self._chunk -= count
        if self._chunk > LINE_END or len(self._buffer) < LINE_END:
            return False
        if self._buffer[:LINE_END] != b"\r\n":
            raise NoBody("a chunk is longer than it said")
        del self._buffer[:LINE_END]
        self._chunk = 0
        return True

    def _begin(self, line: bytes) -> None:
        digits = line.partition(b";")[0].strip(b" \t")
        if not 0 < len(digits) <= SIZE_DIGITS_MAX or not HEX.issuperset(digits):
            raise NoBody("a chunk does not say how long it is")
        size = int(digits, 16)
        self._trails = not size
        self._chunk = size + LINE_END if size else 0

    def _trail(self, line: bytes) -> None:
        self._trailers += len(line)
        if self._trailers > TRAILERS_MAX:
            raise NoBody("there is no end of trailers")
        self.has_ended = not line


def body_of(status: int, lines: Iterable[tuple[bytes, bytes]]) -> Body:
    """Return the body that a head announces, whose names are in lower case."""
    if status in BODILESS:
        return Body(0)
    said = dict(lines)
    if b"transfer-encoding" in said:
        return Chunks()
    length = said.get(b"content-length")
    return Body(None if length is None else int(length))
