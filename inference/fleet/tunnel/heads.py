"""Heads of answers that come as lines: read, judged, and held to the length they announce.

What an HTTP parser would refuse is refused here: line ends inside a value would be header fields
of the caller's answer, and a body of another length than announced would be part of the next.
"""

from __future__ import annotations

import re
from typing import Final

from inference.fleet.allowed_headers import answer_headers
from inference.http.lines import Headers, Lines

FIRST_FINAL: Final = 200
LAST_STATUS: Final = 599
BODILESS: Final = frozenset({204, 304})
FIELDS_MAX: Final = 128

_ARE_SOUND: Final = re.compile(
    rb"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t ]*[\t\x20-\x7e\x80-\xff]*\r\n)*"
).fullmatch
_LENGTH_DIGITS: Final = 15

UNKNOWN: Final = -1


class BadHead(Exception):
    """A head that no engine's answer has, in words."""


def read_head(status: int, lines: Lines) -> tuple[Headers, int]:
    """Return what of a head goes on to the caller, and the length of the body, if it says.

    Raises ``BadHead``.
    """
    if not FIRST_FINAL <= status <= LAST_STATUS:
        raise BadHead("no such status")
    if lines.count(b"\n") > FIELDS_MAX:
        raise BadHead("too many header fields")
    if _ARE_SOUND(lines) is None:
        raise BadHead("header lines that are none")
    headers = answer_headers([_pair(line) for line in lines.split(b"\r\n")[:-1]])
    length = _length(headers)
    return headers, 0 if status in BODILESS else length


def _pair(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b":")
    return name, value.strip(b" \t")


def _length(headers: Headers) -> int:
    said = [value for name, value in headers if name == b"content-length"]
    if not said:
        return UNKNOWN
    if len(said) > 1 or not said[0].isdigit() or len(said[0]) > _LENGTH_DIGITS:
        raise BadHead("a length that is none")
    return int(said[0])


def request_id_of(lines: Lines) -> str:
    """Return the id that the lines of a request name, if they do."""
    at = lines.find(_ID)
    if at < 0:
        return ""
    start = at + len(_ID)
    return lines[start : lines.index(b"\r\n", start)].decode("latin-1")


_ID: Final = b"x-request-id: "
