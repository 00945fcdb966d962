"""A streamed answer on its way through: sans-IO, scanned and hardly ever parsed.

Server-Sent Events are blocks of lines, closed by a blank line. Nearly every read of a model's
stream is one whole block that differs from the one before in the words it brings and nothing
else. So a block is parsed once, what stands before and behind its words is kept, and the next
ones are compared with that at C speed, counted, and handed back as the object they came in.
Everything else takes the careful path, which sees one block at a time. Both count alike, so
that how the bytes were cut never shows.

What is dropped, and only when asked: the block whose data is an object without choices and
with a ``usage`` object, which exists because we asked for it (``own_usage``). To decide that, a
block that is not complete yet is held back. No reader of events could have used it anyway.
A block that outgrows ``HOLD_MAX`` is passed on as it is: no usage block is that large.
"""

from __future__ import annotations

import re
from typing import Final

from inference.body.frames import HOLD_MAX, LF_LF, NEEDLE, ODD, USUAL, Framed, all_null, unescaped
from inference.body.own_usage import is_ours, rest_of

__all__ = ["HOLD_MAX", "StreamFilter"]

TAIL_MAX: Final = 16 * 1024
"""Bytes at the end of such a block in which its usage is looked for."""

FRONT_MAX: Final = 256
"""Bytes at its beginning that tell whether it brings words, or sums them up."""

_BLANK: Final = re.compile(rb"(?>\r\n|\r|\n)(?>\r\n|\r|\n)")
_LINE_END: Final = re.compile(rb"(?>\r\n|\r|\n)")
_LINE_ENDS: Final = re.compile(rb"[\r\n]*")
_BOM: Final = b"\xef\xbb\xbf"
_LF: Final = ord("\n")
_CR: Final = ord("\r")
_OF_ONE_BLOCK: Final = 2
_OVERLAP: Final = 3
"""A blank line that is not complete has at most three bytes: CR LF CR."""
_IS_ERROR: Final = re.compile(rb"(?:\A|[\r\n])event: ?error *(?:[\r\n]|\Z)")


class StreamFilter(Framed):
    """Watches a stream of events go by, and takes our own usage block out of it."""

    __slots__ = (
        "_block",
        "_drop_usage",
        "_gone",
        "_large",
        "_large_front",
        "_relayed",
        "_searched",
        "_skip_lf",
    )

    def __init__(self, *, drop_usage: bool) -> None:
        super().__init__()
        self._drop_usage = drop_usage
        self._block = bytearray()
        self._searched = 0
        self._large = False
        self._large_front = b""
        self._gone = 0
        self._relayed = 0
        self._skip_lf = False

    @property
    def at_boundary(self) -> bool:
        """Say whether a comment may be put behind what was relayed so far."""
        return not self._block or (self._drop_usage and not self._large)

    def feed(self, data: bytes) -> bytes:
        """Take what was read and return what to relay now."""
        size = len(data) - self._fixed
        if (
            0 < size <= self._most
            and not self._block
            and data.startswith(self._front)
            and data.endswith(self._back)
        ):
            text = data[self._from : self._from + size]
            if len(text.translate(None, ODD)) != size:
                size = unescaped(text)
            if size > 0:
                self._skip_lf = False
                self.events += 1
                self.deltas += 1
                self.text_bytes += size
                return data
        if self._is_usual(data) or not data:
            return data
        relayed = self._careful(data)
        return relayed if self._drop_usage else data

    def finish(self) -> bytes:
        """Return what is held when the engine has closed its stream in good order.

        A last block without its blank line counts as one. After a stream that broke off, call
        nothing: what is held is half a block.
        """
        held = bytes(self._block[self._relayed :])
        rest = self._take(bytes(self._block)) if self._block else None
        self._block.clear()
        self._relayed = 0
        self._large = False
        if not self._drop_usage:
            return b""
        return held if rest is None else rest

    def _is_usual(self, data: bytes) -> bool:
        """Count plain blocks that came whole; false if one of them needs a closer look."""
        # ``find`` and not ``in``, which tries first whether a byte was meant and costs more.
        if (
            len(data) > HOLD_MAX
            or self._block
            or data[:7] != USUAL
            or (data.find(NEEDLE) >= 0 and not all_null(data))
        ):
            return False
        # Two lines, the second one empty, are one block, whatever ends them.
        lines = data.splitlines()
        if len(lines) == _OF_ONE_BLOCK and not lines[1]:
            self._skip_lf = False
            self._read(lines[0])
            return True
        return data[-2:] == LF_LF and data.find(b"\r") < 0 and self._count_many(data)

    def _count_many(self, data: bytes) -> bool:
        blocks = data[:-2].split(LF_LF)
        for block in blocks:
            if block[:7] != USUAL or block.find(b"\n") >= 0:
                return False
        self._skip_lf = False
        for block in blocks:
            self._read(block)
        return True

    def _read(self, block: bytes) -> None:
        """Count a block of one line of data, without its ends."""
        self.events += 1
        if not self._is_framed(block):
            self._learn(block, self.hear(block[6:].rstrip(b" ")))

    def _careful(self, data: bytes) -> bytes:
        if not self._block and _is_one_block(data):
            self._skip_lf = False
            rest = self._take(data)
            return data if rest is None else rest
        return self._cut_blocks(data)

    def _cut_blocks(self, data: bytes) -> bytes:
        buffer = self._block
        buffer += data
        relay: list[bytes] = []
        relayed_to = self._relayed or self._after_dropped(data)
        start = 0 if self._large else _start_of_block(buffer, 0)
        is_plain = buffer.find(b"\r") < 0
        blank = _blank_line(buffer, max(start, self._searched), is_plain)
        while blank is not None:
            begin, end = blank
            rest = self._take(bytes(buffer[start:begin]))
            if rest is not None:
                relay += bytes(buffer[relayed_to:start]), rest
                relayed_to = end
                self._skip_lf = end == len(buffer) and buffer[-1:] == b"\r"
            self._large = False
            start = _start_of_block(buffer, end)
            blank = _blank_line(buffer, start, is_plain)
        self._large = self._large or len(buffer) - start > HOLD_MAX + _OVERLAP
        relay.append(bytes(buffer[relayed_to : len(buffer) if self._large else start]))
        self._begin_block(start)
        return b"".join(relay)

    def _after_dropped(self, data: bytes) -> int:
        # The dropped block ended in CR; a LF that follows is the second half of that line end.
        skipped, self._skip_lf = self._skip_lf, False
        return int(skipped and data.startswith(b"\n"))

    def _begin_block(self, start: int) -> None:
        buffer = self._block
        del buffer[:start]
        if not self._large:
            self._gone = self.passing = 0
        elif len(buffer) > 2 * TAIL_MAX:
            if not self._gone:
                self._large_front = bytes(buffer[:FRONT_MAX])
            self._gone += len(buffer) - TAIL_MAX - _OVERLAP
            del buffer[: -(TAIL_MAX + _OVERLAP)]
            self.passing = self._gone
        self._relayed = len(buffer) if self._large else 0
        self._searched = max(0, len(buffer) - _OVERLAP)

    def _take(self, block: bytes) -> bytes | None:
        """Count a complete block; returns what to relay in its place, none if it stays."""
        block = block.rstrip(b"\r\n")
        if self._large or len(block) > HOLD_MAX:
            front = self._large_front if self._gone else block[:FRONT_MAX]
            self.events += 1
            self.hear_large(front, self._gone + len(block), block[-TAIL_MAX:])
            self._gone = self.passing = 0
            return None
        payload = _payload(block)
        if payload is None:
            return None
        if not self._is_framed(block):
            rest = self._hear_block(block, payload)
            if rest is not None:
                self.events += bool(rest)
                return rest
        self.events += 1
        return None

    def _hear_block(self, block: bytes, payload: bytes) -> bytes | None:
        document = self.hear(payload)
        if self._drop_usage and is_ours(document):
            rest = rest_of(block, payload, document)
            return rest + LF_LF if rest else rest
        if block[:5] != b"data:" and _IS_ERROR.search(block):
            self.hear_error()
        elif block.find(b"\n") < 0 and block.find(b"\r") < 0:
            self._learn(block, document)
        return None


def _is_one_block(data: bytes) -> bool:
    end = data.find(b"\n\n")
    return end > 0 and end == len(data) - 2 and data[0] != _LF and b"\r" not in data


def _blank_line(buffer: bytearray, at: int, is_plain: bool) -> tuple[int, int] | None:
    """Find where a block ends, and where the blank line behind it does.

    Without any CR that is a plain search, which is many times faster than the pattern.
    """
    if is_plain:
        found_at = buffer.find(LF_LF, at)
        return None if found_at < 0 else (found_at, found_at + 2)
    found = _BLANK.search(buffer, at)
    return None if found is None else found.span()


def _start_of_block(buffer: bytearray, at: int) -> int:
    if at < len(buffer) and buffer[at] != _LF and buffer[at] != _CR:
        return at
    run = _LINE_ENDS.match(buffer, at)
    return run.end() if run else at


def _payload(block: bytes) -> bytes | None:
    """Return what a block's data lines say; none if it has no such line."""
    if block.startswith(b"data:") and b"\n" not in block and b"\r" not in block:
        return block[5:].removeprefix(b" ").rstrip(b" ")
    lines = _LINE_END.split(block.removeprefix(_BOM))
    fields = [line.partition(b":") for line in lines]
    values = [value.removeprefix(b" ") for name, _, value in fields if name == b"data"]
    return b"\n".join(values).rstrip(b" ") if values else None
