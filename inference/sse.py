"""A streamed answer on its way through: sans-IO, scanned and not parsed.

Server-Sent Events are blocks of lines, closed by a blank line. Nearly every read of a model's
stream is one whole block without anything of interest; that case is decided by a few searches
at C speed and handed back as the object it came in. Everything else takes the careful path,
which sees one block at a time. Both count alike, so that how the bytes were cut never shows.

What is dropped, and only when asked: the block whose data is an object with an empty
``choices`` and a ``usage`` object, which exists because we asked for it. To decide that, a
block that is not complete yet is held back. No reader of events could have used it anyway.
A block that outgrows ``HOLD_MAX`` is passed on as it is: no usage block is that large.
"""

from __future__ import annotations

import json
import re
from typing import Final

from inference.tokens import Usage, read_usage, usage_of

HOLD_MAX: Final = 64 * 1024
"""Bytes of one block that are held; beyond it the block is relayed as it comes."""

TAIL_MAX: Final = 16 * 1024
"""Bytes at the end of such a block in which its usage is looked for."""

_BLANK: Final = re.compile(rb"(?>\r\n|\r|\n)(?>\r\n|\r|\n)")
_LINE_END: Final = re.compile(rb"(?>\r\n|\r|\n)")
_LINE_ENDS: Final = re.compile(rb"[\r\n]*")
_BOM: Final = b"\xef\xbb\xbf"
_TEXT: Final = re.compile(
    rb'"(?:content|reasoning_content|reasoning|text|delta|arguments)" ?: ?"[^"]'
)
_CONTENT: Final = b'"content":"'
_LF: Final = ord("\n")
_CR: Final = ord("\r")
_LF_LF: Final = b"\n\n"
_OF_ONE_BLOCK: Final = 2
_USUAL: Final = b"data: {"
"""How nearly every block begins; ``[DONE]`` does not."""
_QUOTE: Final = ord('"')
_DONE: Final = b"[DONE]"
_NEEDLE: Final = b'"usage"'
_OVERLAP: Final = 3
"""A blank line that is not complete has at most three bytes: CR LF CR."""


class StreamFilter:
    """Watches a stream of events go by, and takes our own usage block out of it.

    ``usage``: the last one the engine gave. ``done``: the engine said ``[DONE]``. ``events``:
    blocks with data that were relayed. ``deltas``: those of them that carry generated text,
    which for most engines is one token each.
    """

    __slots__ = (
        "_block",
        "_drop_usage",
        "_large",
        "_relayed",
        "_searched",
        "_skip_lf",
        "deltas",
        "done",
        "events",
        "usage",
    )

    def __init__(self, *, drop_usage: bool) -> None:
        self._drop_usage = drop_usage
        self._block = bytearray()
        self._searched = 0
        self._large = False
        self._relayed = 0
        self._skip_lf = False
        self.usage: Usage | None = None
        self.done = False
        self.events = 0
        self.deltas = 0

    @property
    def at_boundary(self) -> bool:
        """Say whether a comment may be put behind what was relayed so far."""
        return not self._block or (self._drop_usage and not self._large)

    def feed(self, data: bytes) -> bytes:
        """Take what was read and return what to relay now."""
        # ``find`` and not ``in``, which tries first whether a byte was meant and costs more.
        size = len(data)
        if (
            size <= HOLD_MAX
            and not self._block
            and data[:7] == _USUAL
            and (data.find(_NEEDLE) < 0 or _all_null(data))
        ):
            # Two lines, the second one empty, are one block, whatever ends them.
            lines = data.splitlines()
            if len(lines) == _OF_ONE_BLOCK and not lines[1]:
                self._skip_lf = False
                self.events += 1
                text_at = data.find(_CONTENT)
                if (text_at > 0 and data[text_at + 11] != _QUOTE) or _TEXT.search(data):
                    self.deltas += 1
                return data
            if data[-2:] == _LF_LF and data.find(b"\r") < 0 and self._count_many(data):
                return data
        if not data:
            return data
        relayed = self._careful(data)
        return relayed if self._drop_usage else data

    def finish(self) -> bytes:
        """Return what is held when the engine has closed its stream in good order.

        A last block without its blank line counts as one. After a stream that broke off, call
        nothing: what is held is half a block.
        """
        held = bytes(self._block[self._relayed :])
        dropped = bool(self._block) and self._take(bytes(self._block))
        self._block.clear()
        self._relayed = 0
        self._large = False
        return held if self._drop_usage and not dropped else b""

    def _count_many(self, data: bytes) -> bool:
        """Count several plain blocks; false if one of them needs a closer look."""
        blocks = data[:-2].split(_LF_LF)
        for block in blocks:
            if block[:7] != _USUAL:
                return False
        self._skip_lf = False
        self.events += len(blocks)
        self.deltas += sum(map(_has_text, blocks))
        return True

    def _careful(self, data: bytes) -> bytes:
        if not self._block and _is_one_block(data):
            self._skip_lf = False
            return b"" if self._take(data) else data
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
            if self._take(bytes(buffer[start:begin])):
                relay.append(bytes(buffer[relayed_to:start]))
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
        if self._large and len(buffer) > 2 * TAIL_MAX:
            del buffer[: -(TAIL_MAX + _OVERLAP)]
        self._relayed = len(buffer) if self._large else 0
        self._searched = max(0, len(buffer) - _OVERLAP)

    def _take(self, block: bytes) -> bool:
        """Count a complete block; true if it is the one to drop."""
        block = block.rstrip(b"\r\n")
        if self._large or len(block) > HOLD_MAX:
            self._count_large(block[-TAIL_MAX:])
            return False
        payload = _payload(block)
        if payload is None:
            return False
        if payload == _DONE:
            self.done = True
        elif _NEEDLE in payload and not _all_null(payload) and self._is_ours(payload):
            return True
        self.events += 1
        self.deltas += _has_text(block)
        return False

    def _is_ours(self, payload: bytes) -> bool:
        try:
            document = json.loads(payload)
        except (ValueError, RecursionError):
            return False
        self.usage = usage_of(document) or self.usage
        return (
            self._drop_usage
            and isinstance(document, dict)
            and document.get("choices") == []
            and isinstance(document.get("usage"), dict)
        )

    def _count_large(self, tail: bytes) -> None:
        self.events += 1
        self.deltas += 1
        self.usage = read_usage(tail) or read_usage(tail, depth=2) or self.usage


def _is_one_block(data: bytes) -> bool:
    end = data.find(b"\n\n")
    return end > 0 and end == len(data) - 2 and data[0] != _LF and b"\r" not in data


def _blank_line(buffer: bytearray, at: int, is_plain: bool) -> tuple[int, int] | None:
    """Find where a block ends, and where the blank line behind it does.

    Without any CR that is a plain search, which is many times faster than the pattern.
    """
    if is_plain:
        found_at = buffer.find(_LF_LF, at)
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


def _all_null(data: bytes) -> bool:
    return data.count(_NEEDLE) == data.count(b'"usage":null')


def _has_text(block: bytes) -> bool:
    # The first line answers for nearly every block, and says what the pattern would say.
    at = block.find(_CONTENT)
    return (at > 0 and block[at + 11 : at + 12] not in b'"') or _TEXT.search(block) is not None
