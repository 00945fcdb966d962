"""Steps over nested JSON in windows, whatever its shape: strings are cut out, brackets counted.

All of it at C speed, so that what a body costs goes by its bytes. Nothing is checked but the
depth; whoever parses it will.
"""

from __future__ import annotations

from itertools import accumulate, compress
from typing import Final

from inference.body.inline import INLINE_BYTES, outside_strings, turns, unescaped
from inference.body.json_members import not_json

DEPTH_MAX: Final = 900
"""About what a parser takes that calls itself for each level."""

WINDOW: Final = INLINE_BYTES
"""Bytes that are looked at at once. No more than an inline file has at least: whatever string
could be one then goes on beyond its window, and is measured."""
WINDOW_FIRST: Final = 256

INSIDE: Final = 0
LEFT: Final = 1
IN_STRING: Final = 2
"""Where a window ends."""

_RISE: Final = [1 if byte in b"[{" else -1 if byte in b"]}" else 0 for byte in range(256)]
_IS_COMMA: Final = bytes([byte == ord(",") for byte in range(256)])
_NO_MARKS: Final = bytes(set(range(256)) - set(b"[]{},"))
_ONE_PROMPT: Final = b"]-0123456789tf"
"""How a list begins that is no list of prompts: one of tokens, or an empty one."""


class Nest:
    """A list or an object on its way. A window begins outside of strings, and may end in one."""

    def __init__(self) -> None:
        self.depth = 0
        self.prompts = 1
        self._window = WINDOW_FIRST
        self._is_counted = False
        self._first = self._commas = 0

    def enter(self, *, is_counted: bool) -> None:
        """Begin behind the first bracket. Of a list of prompts the members are counted."""
        self.depth, self._window, self._is_counted = 1, WINDOW_FIRST, is_counted

    def step(self, data: bytes, at: int) -> tuple[int, int]:
        """Look at the next window; return where it ends, and how. Raises ``Malformed``."""
        window = data[at : at + self._window]
        self._window = min(2 * self._window, WINDOW)
        if self._is_counted and not self._first:
            begin = window.lstrip(b" \t\n\r")
            self._first = begin[0] if begin else 0
        parts = outside_strings(window)
        heights = list(accumulate(map(_RISE.__getitem__, turns(parts)), initial=self.depth))
        if 0 in heights:
            return at + self._leave(parts, heights.index(0)), LEFT
        if max(heights) > DEPTH_MAX:
            raise not_json("it is nested too deeply")
        self._count(parts)
        self.depth = heights[-1]
        if len(parts) % 2:
            return at + len(window), INSIDE
        return at + unescaped(window).rindex(b'"') + 1, IN_STRING

    def _leave(self, parts: list[bytes], turn: int) -> int:
        """Return how far into the window it goes: to the bracket of this number."""
        start = number = 0
        while True:
            some = len(turns([parts[number]]))
            if some >= turn:
                break
            turn -= some
            start += len(parts[number]) + len(parts[number + 1]) + 2
            number += 2
        last = parts[number]
        end = [place for place, byte in enumerate(last) if _RISE[byte]][turn - 1] + 1
        self._count([*parts[:number], last[:end]])
        self.depth = 0
        return start + end

    def _count(self, parts: list[bytes]) -> None:
        """Count the prompts by the commas between them."""
        if not self._is_counted:
            return
        marks = b"".join(parts[::2]).translate(None, _NO_MARKS)
        if self.depth == 1 and marks.count(b",") == len(marks):
            self._commas += len(marks)
        else:
            heights = accumulate(map(_RISE.__getitem__, marks), initial=self.depth)
            # A comma leaves the height as it is, so what stands before it will do.
            self._commas += list(compress(heights, marks.translate(_IS_COMMA))).count(1)
        if self._first and self._first not in _ONE_PROMPT:
            self.prompts = self._commas + 1
