"""Follows the top level of a JSON object that arrives in pieces: sans-IO.

Nested values are stepped over at C speed, so that a body made to be expensive (a million empty
lists) stays cheap: what the patterns can't swallow is counted, and too much of it is refused.
Nested JSON is not checked; whoever parses it will.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Final

from inference.members import Malformed, not_json

INLINE_MIN: Final = 4096
"""A string this long without space, quote or escape is taken for an inline file and counts
for this much, as in ``splice``."""

LISTED: Final = "prompt"
"""The member whose list holds several prompts, each with answers of its own."""

NAME_MAX: Final = 4096
STEPS_FREE: Final = 20_000
BYTES_PER_STEP: Final = 32

_NOT_SPACE: Final = re.compile(rb"[^ \t\n\r]")
_TOP: Final = re.compile(rb'["{\[,}]')
_STRING_REST: Final = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_PROSE: Final = re.compile(rb"[^A-Za-z0-9+/=_:;,.-]")

# Strings, and brackets up to three levels: a list of messages with a list of parts each. A
# string that may be an inline file is left alone, to be measured.
_STRING = rb'"[^"\\]{0,%d}+(?:\\.[^"\\]*+)*+"' % INLINE_MIN
_PLAIN = rb'[^"{}\[\]]++|' + _STRING
_FLAT = rb"(?:" + _PLAIN + rb")*+"
_PAIRS = rb"(?:" + _PLAIN + rb"|\[" + _FLAT + rb"\]|\{" + _FLAT + rb"\})*+"
_LISTS = rb"(?:" + _PLAIN + rb"|\[" + _PAIRS + rb"\]|\{" + _PAIRS + rb"\})*+"
_NEST = rb"(?:" + _PLAIN + rb"|\[" + _LISTS + rb"\]|\{" + _LISTS + rb"\})*+"
_SWALLOW: Final = re.compile(_NEST, re.DOTALL)
_NESTED: Final = re.compile(
    rb"(?:" + _STRING + rb"|\[" + _LISTS + rb"\]|\{" + _LISTS + rb"\})++", re.DOTALL
)
"""What ``_SWALLOW`` takes whole: commas in there part nothing on the level above."""

_QUOTE, _COLON, _BACKSLASH = b'":\\'
_OPEN, _CLOSE = b"{}"
_OPENERS: Final = b"{["
_LIST = ord("[")
_ONE_PROMPT: Final = b"]-0123456789tf"
"""How a list begins that is no list of prompts: one of tokens, or an empty one."""


class TopLevel:
    """Calls ``value_starts``, ``value_ends`` and ``closes`` as the object goes by."""

    def __init__(self) -> None:
        self.name = ""
        self.size = 0
        self._state: Callable[[bytes, int], int] = self._on_start
        self._depth = self._steps = 0
        self._raw_name = b""
        self._first = True
        self._escaped = False
        self._string_size = 0
        self._is_inline = True
        self._discount = 0
        self._is_listed = False
        self._first_listed = self._commas = 0

    @property
    def prompts(self) -> int:
        """Return how many prompts there are, as far as has been seen."""
        first = self._first_listed
        return 1 if not first or first in _ONE_PROMPT else self._commas + 1

    @property
    def prompt_bytes(self) -> int:
        """Estimate the prompt so far: the body without what inline files are too long."""
        return self.size - self._discount - self._excess()

    @property
    def is_whole(self) -> bool:
        """Say whether the object was closed."""
        return self._state == self._on_rest

    def value_starts(self, data: bytes, at: int) -> None:
        """Hear that the value of ``name`` begins at ``at``."""

    def value_ends(self, data: bytes, at: int) -> None:
        """Hear that it ended before ``at``, white space behind it included."""

    def closes(self, data: bytes, at: int) -> None:
        """Hear that the closing brace of the object is at ``at``."""

    def follow(self, data: bytes) -> None:
        """Take the next bytes. Raises ``Malformed``."""
        self.size += len(data)
        at = 0
        while at < len(data):
            self._steps += 1
            at = self._state(data, at)
        if self._steps > STEPS_FREE + self.size // BYTES_PER_STEP:
            raise Malformed("invalid_request", "The body has too many small values.")

    # States. Each takes the bytes and where it stands, and says where the next one goes on.

    def _on_start(self, data: bytes, at: int) -> int:
        at = _solid(data, at)
        if at < len(data):
            if data[at] != _OPEN:
                raise Malformed("invalid_request", "The body must be a JSON object.")
            self._state = self._on_name
        return at + 1

    def _on_name(self, data: bytes, at: int) -> int:
        at = _solid(data, at)
        if at < len(data):
            if data[at] == _CLOSE and self._first:
                return self._on_end(data, at)
            if data[at] != _QUOTE:
                raise not_json("expected a name")
            self._first = False
            self._raw_name = b""
            self._enter_string(self._in_name)
        return at + 1

    def _in_name(self, data: bytes, at: int) -> int:
        end, closed = self._string(data, at)
        if len(self._raw_name) <= NAME_MAX:
            self._raw_name += data[at:end]
        if closed:
            self.name = _plain(b'"' + self._raw_name)
            self._state = self._on_colon
        return end

    def _on_colon(self, data: bytes, at: int) -> int:
        at = _solid(data, at)
        if at < len(data):
            if data[at] != _COLON:
                raise not_json("expected :")
            self._state = self._on_value
        return at + 1

    def _on_value(self, data: bytes, at: int) -> int:
        at = _solid(data, at)
        if at < len(data):
            if self.name == LISTED:
                self._first_listed = self._commas = 0  # Given twice, the last one counts.
            self.value_starts(data, at)
            self._state = self._in_value
        return at

    def _in_value(self, data: bytes, at: int) -> int:
        found = _TOP.search(data, at)
        if found is None:
            return len(data)
        at = found.start()
        if data[at] == _QUOTE:
            self._enter_string(self._in_string)
        elif data[at] in _OPENERS:
            self._depth = 1
            self._state = self._in_nest
            self._is_listed = self.name == LISTED and data[at] == _LIST
        else:
            self.value_ends(data, at)
            if data[at] == _CLOSE:
                return self._on_end(data, at)
            self._state = self._on_name
        return at + 1

    def _in_nest(self, data: bytes, at: int) -> int:
        swallowed = _SWALLOW.match(data, at)
        start, at = at, swallowed.end() if swallowed else at
        if self._is_listed and self._depth == 1:
            self._count_listed(data, start, at)
        if at == len(data):
            return at
        if data[at] == _QUOTE:
            self._enter_string(self._in_string)
        else:
            self._depth += 1 if data[at] in _OPENERS else -1
            if not self._depth:
                self._state = self._in_value
        return at + 1

    def _count_listed(self, data: bytes, start: int, end: int) -> None:
        """Count what was swallowed of the list of prompts, by the commas between them."""
        if not self._first_listed:
            first = _solid(data, start)
            self._first_listed = data[first] if first < len(data) else 0
        self._commas += _NESTED.sub(b"", data[start:end]).count(b",")

    def _in_string(self, data: bytes, at: int) -> int:
        end, closed = self._string(data, at)
        if closed:
            self._state = self._in_nest if self._depth else self._in_value
        return end

    def _on_end(self, data: bytes, at: int) -> int:
        self.closes(data, at)
        self._state = self._on_rest
        return at + 1

    def _on_rest(self, data: bytes, at: int) -> int:
        if _solid(data, at) < len(data):
            raise not_json("something follows the object")
        return len(data)

    # Strings, which may be cut anywhere.

    def _enter_string(self, state: Callable[[bytes, int], int]) -> None:
        self._state = state
        self._escaped = False
        self._string_size = 0
        self._is_inline = True

    def _string(self, data: bytes, start: int) -> tuple[int, bool]:
        """Return how far the string goes in these bytes, and whether it ends there."""
        at = start + 1 if self._escaped else start
        self._escaped = False
        run = _STRING_REST.match(data, at)
        at = run.end() if run else at
        if self._is_inline:
            self._string_size += at - start
            self._is_inline = _PROSE.search(data, start, at) is None
        if at == len(data):
            return at, False
        if data[at] == _BACKSLASH:
            self._escaped = True
            return at + 1, False
        self._discount += self._excess()
        self._string_size = 0
        return at + 1, True

    def _excess(self) -> int:
        return max(0, self._string_size - INLINE_MIN) if self._is_inline else 0


def _solid(data: bytes, at: int) -> int:
    found = _NOT_SPACE.search(data, at)
    return found.start() if found else len(data)


def _plain(raw: bytes) -> str:
    """Undo the escapes of a name; one that can't be undone matches nothing we look for."""
    if b"\\" not in raw:
        return raw[1:-1].decode("latin-1")
    try:
        name: str = json.loads(raw)
    except ValueError:
        return ""
    return name
