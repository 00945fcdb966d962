"""A cache of one: the request head that a connection sends again, told by its bytes.

An OpenAI client sends the same head with every request: same path, same key, same fields,
and only ``Content-Length`` differs. The parser, the rules and the gate would say of it what
they said before, because what they say depends on nothing but these bytes. So when bytes
come that are those of the last head in everything but the digits of its length, neither is
asked again. Anything else, were it a single space, goes the ordinary way.
"""

from __future__ import annotations

import re
from typing import Final

from uvicorn._types import HTTPScope

from inference.gate.head import Head

DIGITS_MAX: Final = 8
"""More than any length that is allowed has, and fewer than overflow anywhere."""

_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,8})(?=\r\n)", re.IGNORECASE)
HEAD_END: Final = b"\r\n\r\n"
NOTHING: Final = -1
"""No body is owed; one of no bytes at all is."""
KNOWN_MAX: Final = 4096
"""Bytes of a head that is worth remembering: every connection may hold one."""


class CachedHead:
    """A head of ``POST`` with a length, which HTTP/1.1 lets follow another on its connection."""

    __slots__ = ("_after", "_before", "head", "scope", "size")

    def __init__(
        self, raw: bytes, digits: tuple[int, int], head: Head, scope: HTTPScope | None
    ) -> None:
        self._before = raw[: digits[0]]
        self._after = raw[digits[1] :]
        self.head = head
        self.scope = scope
        """What it is to an ASGI application, if one serves it."""
        self.size = 0
        """Bytes of head in what was recognised last."""

    def recognise(self, data: bytes) -> int:
        """Return the length of the body that this very head announces; -1 if it is another."""
        before = self._before
        if not data.startswith(before):
            return -1
        start = len(before)
        end = data.find(b"\r", start, start + DIGITS_MAX + 1)
        if end <= start or not data.startswith(self._after, end):
            return -1
        digits = data[start:end]
        if not digits.isdigit():
            return -1
        self.size = end + len(self._after)
        return int(digits)


class HeadCache:
    """What a connection remembers of the heads that came on it."""

    __slots__ = ("_known", "_last", "_owed", "fed")

    def __init__(self) -> None:
        self._known: CachedHead | None = None
        self._last: Head | None = None
        self._owed = NOTHING
        self.fed = b""
        """What the parser is fed, if that begins with a head."""

    @property
    def is_of_use(self) -> bool:
        """Say whether bytes that come may be of a head that is known, or of its body."""
        return self._known is not None

    @property
    def is_owed(self) -> bool:
        """Say whether a request whose head was recognised is not complete."""
        return self._owed >= 0

    def recognise(self, data: bytes) -> CachedHead | None:
        """Return the head that these bytes begin with, if it is known."""
        known = self._known
        length = -1 if known is None else known.recognise(data)
        if known is None or length < 0:
            return None
        known.head.announced = self._owed = length
        return known

    def take(self, data: bytes) -> bytes:
        """Return what of these bytes belongs to the body that is owed."""
        mine = data[: self._owed]
        self._owed -= len(mine)
        if not self._owed:
            self._owed = NOTHING
        return mine

    def remember(self, head: Head, scope: HTTPScope | None) -> None:
        """Know the head that was fed again, if it is likely to come again."""
        last, self._last = self._last, None
        if self.fed.find(HEAD_END, 0, KNOWN_MAX) >= 0:
            self._last = head
            # Only who was let in with this head, and sends it again, will go on to send it.
            if last is not None and last.passed is not None and is_same(last, head):
                self._known = learn(self.fed, head, scope)


def learn(data: bytes, head: Head, scope: HTTPScope | None = None) -> CachedHead | None:
    """Remember the head that ``data`` begins with, as the parser has understood it.

    None if it is not of the kind that can be told again by its bytes.
    """
    end = data.find(HEAD_END)
    if end < 0 or not data.startswith(b"POST %b HTTP/1.1\r\n" % head.raw_target):
        return None
    raw = data[: end + len(HEAD_END)]
    found = _LENGTH.findall(raw)
    fields = head.fields
    if len(found) != 1 or b"expect" in fields or b"transfer-encoding" in fields:
        return None
    digits = _LENGTH.search(raw)
    if digits is None or fields.get(b"content-length") != digits[1]:
        return None
    return CachedHead(raw, digits.span(1), head, scope)


def is_same(one: Head, other: Head) -> bool:
    """Say whether two heads differ in their length at most."""
    if one.raw_target != other.raw_target or one.method != other.method:
        return False
    if len(one.headers) != len(other.headers):
        return False
    for first, second in zip(one.headers, other.headers, strict=True):
        if first != second and not (first[0] == second[0] == b"content-length"):
            return False
    return True
