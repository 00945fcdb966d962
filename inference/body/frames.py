"""What stays the same from one block of a stream to the next, so that it need not be parsed."""

from __future__ import annotations

import re
from typing import Any, Final

from inference.body.heard import Heard
from inference.body.texts import LABELS, news_in, parsed, size_of

HOLD_MAX: Final = 64 * 1024
"""Bytes of one block that are held; beyond it the block is relayed as it comes."""

USUAL: Final = b"data: {"
"""How nearly every block begins; ``[DONE]`` does not."""

LF_LF: Final = b"\n\n"
NEEDLE: Final = b'"usage"'
ODD: Final = b'"\\' + bytes(range(32))
"""What ends a JSON string, or says that it is not what it looks like."""
_STRINGS: Final = re.compile(rb'"([^"\\]*)" ?: ?"((?:[^"\\]|\\.)+)"')
_INSIDE: Final = re.compile(rb'(?:[^"\\\x00-\x1f]++|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*+')
_PROBE: Final = b"how many words"
_LESSONS_FREE: Final = 8
FRAMES_MAX: Final = 8
_BLOCKS_A_LESSON: Final = 16
"""How often a stream may have a new frame: one that never has the same twice is not learned."""


class Framed(Heard):
    """Knows the frame of the words in a block, and counts what came in that frame."""

    __slots__ = ("_back", "_fixed", "_frames", "_from", "_front", "_lessons", "_most")

    def __init__(self) -> None:
        super().__init__()
        self._front = self._back = b""
        self._from = self._fixed = self._most = self._lessons = 0
        self._frames: list[tuple[bytes, bytes]] = []

    def _is_framed(self, block: bytes) -> bool:
        """Count a block that differs from a known one by its words, if it is such a one."""
        size = self._fits(block)
        if not size:
            return False
        self.deltas += 1
        self.text_bytes += size
        return True

    def _fits(self, block: bytes) -> int:
        """Return the bytes of the words in a block that has the frame in use, or another; else 0.

        Several choices take turns, and each has a frame of its own.
        """
        size = self._inside(block)
        if size or len(self._frames) < 2:  # noqa: PLR2004 - one is the one in use
            return size
        for front, back in self._frames:
            if block.startswith(front) and front is not self._front:
                self._use(front, back)
                size = self._inside(block)
                if size:
                    return size
        return 0

    def _inside(self, block: bytes) -> int:
        size = len(block) + 2 - self._fixed
        back = self._back[:-2]
        if not (0 < size <= self._most and block.startswith(self._front) and block.endswith(back)):
            return 0
        text = block[self._from : self._from + size]
        return size if len(text.translate(None, ODD)) == size else unescaped(text)

    def _learn(self, block: bytes, document: Any) -> None:
        """Keep what stands around the words of a block, if they are in one place."""
        if self._lessons > _LESSONS_FREE + self.events // _BLOCKS_A_LESSON:
            return
        self._lessons += 1
        if block.find(NEEDLE) >= 0 and not all_null(block):
            return
        sizes = news_in(document)
        if len(sizes) != 1 or block[:7] != USUAL:
            return
        for match in _STRINGS.finditer(block):
            start, end = match.span(2)
            if unescaped(match[2]) == sizes[0] and match[1].decode("latin-1") not in LABELS:
                probed = parsed(block[6:start] + _PROBE + block[end:])
                if news_in(probed) == [len(_PROBE)]:
                    self._keep(block[:start], block[end:] + LF_LF)
                    return

    def _keep(self, front: bytes, back: bytes) -> None:
        self._frames = [(front, back), *self._frames[: FRAMES_MAX - 1]]
        self._use(front, back)

    def _use(self, front: bytes, back: bytes) -> None:
        self._front, self._back, self._from = front, back, len(front)
        self._fixed = len(front) + len(back)
        self._most = HOLD_MAX - self._fixed


def unescaped(text: bytes) -> int:
    """Return the bytes of a string's inside, escapes undone; 0 if it is none."""
    if _INSIDE.fullmatch(text) is None:
        return 0
    if text.find(b"\\u") < 0:
        # Of a run of backslashes each second one is what the one before it stands for.
        return len(text) - text.count(b"\\") + text.count(b"\\\\")
    value = parsed(b'"%b"' % text)
    return size_of(value) if isinstance(value, str) else 0


def all_null(data: bytes) -> bool:
    """Say whether what is named ``usage`` is null wherever it stands."""
    return data.count(NEEDLE) == data.count(b'"usage":null')
