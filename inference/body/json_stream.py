"""An incremental JSON reader: the top level of an object that arrives in pieces, sans-IO.

Nested values are stepped over (``nest``). So the time a body costs goes by its bytes, and whoever
feeds it in slices bounds how long one of them takes. Nested JSON is not checked; whoever parses
it will.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from inference.body.inline import BEGIN_MAX, HOLDING, INLINE_BYTES, NAMED_MAX, is_file, place_of
from inference.body.json_members import (
    MEMBERS_MAX,
    Malformed,
    marked,
    name_of,
    not_json,
    too_many,
    twice,
)
from inference.body.nest import IN_STRING, LEFT, Nest

LISTED: Final = "prompt"
"""The member whose list holds several prompts, each with answers of its own."""

NAME_MAX: Final = 4096

_NOT_SPACE: Final = re.compile(rb"[^ \t\n\r]")
_SCALAR: Final = re.compile(rb'[^ \t\n\r,}"{\[\]:]*')
_STRING_REST: Final = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_PROSE: Final = re.compile(rb"[^A-Za-z0-9+/=_:;,.-]")
_QUOTE, _COLON, _BACKSLASH = b'":\\'
_OPEN, _CLOSE = b"{}"
_OPENERS: Final = b"{["
_LIST = ord("[")
_MARK = 0xEF


class TopLevel:
    """Calls ``value_starts``, ``value_ends`` and ``closes`` as the object goes by."""

    def __init__(self) -> None:
        self.name = ""
        self.size = 0
        self.names: set[str] = set()
        self._state: Callable[[bytes, int], int] = self._on_start
        self._nest = Nest()
        self._raw_name = b""
        self._escaped = False
        self._before = b""
        self._file = b""
        self._string_size = 0
        self._begin = b""
        self._discount = 0

    @property
    def prompts(self) -> int:
        """Return how many prompts there are, as far as has been seen."""
        return self._nest.prompts

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
            at = self._state(data, at)
        self._before = (self._before + data[-NAMED_MAX:])[-NAMED_MAX:]

    # States. Each takes the bytes and where it stands, and says where the next one goes on.

    def _on_start(self, data: bytes, at: int) -> int:
        at = _solid(data, at)
        if at < len(data):
            if data[at] == _MARK:
                raise marked()
            if data[at] != _OPEN:
                raise Malformed("invalid_request", "The body must be a JSON object.")
            self._state = self._on_name
        return at + 1

    def _on_name(self, data: bytes, at: int) -> int:
        at = _solid(data, at)
        if at < len(data):
            if data[at] == _CLOSE and not self.names:
                return self._on_end(data, at)
            if data[at] != _QUOTE:
                raise not_json("expected a name")
            self._raw_name = b""
            self._enter_string(self._in_name)
        return at + 1

    def _in_name(self, data: bytes, at: int) -> int:
        end, closed = self._string(data, at)
        if len(self._raw_name) <= NAME_MAX:
            self._raw_name += data[at:end]
        if closed:
            self.name = name_of(self._raw_name[:-1])
            self._note_name(self.name)
            self._state = self._on_colon
        return end

    def _note_name(self, name: str) -> None:
        if name in self.names:
            raise twice(name)
        if len(self.names) >= MEMBERS_MAX:
            raise too_many()
        self.names.add(name)

    def _on_colon(self, data: bytes, at: int) -> int:
        at = _solid(data, at)
        if at < len(data):
            if data[at] != _COLON:
                raise not_json("expected :")
            self._state = self._on_value
        return at + 1

    def _on_value(self, data: bytes, at: int) -> int:
        at = _solid(data, at)
        if at == len(data):
            return at
        if data[at] in b",:}]":
            raise not_json("expected a value")
        self.value_starts(data, at)
        if data[at] == _QUOTE:
            self._enter_string(self._in_string)
        elif data[at] in _OPENERS:
            self._nest.enter(is_counted=self.name == LISTED and data[at] == _LIST)
            self._state = self._in_nest
        else:
            self._state = self._in_scalar
            return at
        return at + 1

    def _in_scalar(self, data: bytes, at: int) -> int:
        run = _SCALAR.match(data, at)
        at = run.end() if run else at
        if at < len(data):
            self._state = self._behind
        return at

    def _behind(self, data: bytes, at: int) -> int:
        at = _solid(data, at)
        if at == len(data):
            return at
        if data[at] not in b",}":
            raise not_json("expected , or }")
        self.value_ends(data, at)
        if data[at] == _CLOSE:
            return self._on_end(data, at)
        self._state = self._on_name
        return at + 1

    def _on_end(self, data: bytes, at: int) -> int:
        self.closes(data, at)
        self._state = self._on_rest
        return at + 1

    def _on_rest(self, data: bytes, at: int) -> int:
        if _solid(data, at) < len(data):
            raise not_json("something follows the object")
        return len(data)

    # Nested values.

    def _in_nest(self, data: bytes, at: int) -> int:
        end, where = self._nest.step(data, at)
        if where == LEFT:
            self._state = self._behind
        elif where == IN_STRING:
            self._enter_string(self._in_string)
            self._expect_file(data, end)
        return end

    def _in_string(self, data: bytes, at: int) -> int:
        end, closed = self._string(data, at)
        if closed:
            self._state = self._in_nest if self._nest.depth else self._behind
        return end

    # Strings, which may be cut anywhere.

    def _enter_string(self, state: Callable[[bytes, int], int]) -> None:
        self._state = state
        self._escaped = False
        self._file = self._begin = b""
        self._string_size = 0

    def _expect_file(self, data: bytes, at: int) -> None:
        """See whether the string that begins here stands where a file would."""
        if self.name in HOLDING:
            before = data[max(0, at - NAMED_MAX) : at]
            self._file = place_of(self._before + before, self._nest.depth) or b""

    def _string(self, data: bytes, start: int) -> tuple[int, bool]:
        """Return how far the string goes in these bytes, and whether it ends there."""
        at = start + 1 if self._escaped else start
        self._escaped = False
        run = _STRING_REST.match(data, at)
        at = run.end() if run else at
        if self._file:
            self._measure(data, start, at)
        if at == len(data):
            return at, False
        if data[at] == _BACKSLASH:
            self._escaped = True
            return at + 1, False
        self._discount += self._excess()
        self._file = b""
        return at + 1, True

    def _measure(self, data: bytes, start: int, end: int) -> None:
        self._string_size += end - start
        if len(self._begin) < BEGIN_MAX:
            self._begin += data[start : min(end, start + BEGIN_MAX)]
        if _PROSE.search(data, start, end) is not None:
            self._file = b""

    def _excess(self) -> int:
        long = self._file and self._string_size > INLINE_BYTES
        return self._string_size - INLINE_BYTES if long and is_file(self._file, self._begin) else 0


def _solid(data: bytes, at: int) -> int:
    found = _NOT_SPACE.search(data, at)
    return found.start() if found else len(data)
