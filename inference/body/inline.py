"""Files that stand in a body as text: images, sounds and documents in base64.

What a file costs depends on its pixels or seconds, not on the length of its base64, so a long
one counts for ``INLINE_BYTES`` of prompt. It is one by its *place*: the parts of a message
that hold files, where no engine reads text. A string elsewhere counts in full, whatever it
looks like.
"""

from __future__ import annotations

import re
from typing import Final

INLINE_BYTES: Final = 4096
"""What an inline file counts for: about 1,000 tokens."""

HOLDING: Final = frozenset(("messages", "input"))
"""Members of a body whose parts may be files."""

_URLS: Final = rb"image_url|video_url|audio_url|url"
_DATA: Final = rb"data|file_data"
_PLACES: Final = frozenset(
    [(name, 5) for name in (b"url", b"data", b"file_data")]  # messages[…].content[…].image_url.url
    + [(name, 4) for name in (b"image_url", b"video_url", b"audio_url", b"file_data")]
    + [(b"image_url", 3)]  # input[…].output.image_url, a screenshot
)
"""Name and depth of the strings that are files: how many lists and objects they lie in."""

_BEGINS: Final = rb"data:[^\",;\\]{0,80}(?:;[^\",;\\]{1,80})?;base64,"
_TEXT: Final = rb"A-Za-z0-9+/=_:;,.-"
_KEY: Final = rb'"(?<!\\")(%b|%b)"[ \t\n\r]{0,16}:[ \t\n\r]{0,16}' % (_URLS, _DATA)
_FILE: Final = re.compile(_KEY + rb'"([%b]{%d,})"' % (_TEXT, INLINE_BYTES + 1))
_NAMED: Final = re.compile(_KEY + rb'"\Z')
_IS_URL: Final = re.compile(_URLS)
_IS_FILE_URL: Final = re.compile(_BEGINS)

NAMED_MAX: Final = 64
"""Bytes in front of a string in which its name is looked for."""
BEGIN_MAX: Final = 192
"""Bytes of a string that say whether it is a data URL."""

_NO_TURNS: Final = bytes(set(range(256)) - set(b"[]{}"))


def outside_strings(text: bytes) -> list[bytes]:
    """Return what stands outside of strings in a text that begins outside of one.

    The number of parts tells whether it ends inside: then there are as many strings as parts.
    """
    return unescaped(text).split(b'"')


def unescaped(text: bytes) -> bytes:
    """Blot out what would hide or feign the end of a string. The length stays."""
    if b"\\" not in text:
        return text
    return text.replace(b"\\\\", b"__").replace(b'\\"', b"__")


def turns(parts: list[bytes]) -> bytes:
    """Return the brackets of every other part: those outside of strings."""
    return b"".join(parts[::2]).translate(None, _NO_TURNS)


def place_of(before: bytes, depth: int) -> bytes | None:
    """Return the name of the string that begins behind ``before`` if its place is a file's."""
    named = _NAMED.search(before[-NAMED_MAX:])
    return named[1] if named is not None and (named[1], depth) in _PLACES else None


def is_file(name: bytes, begin: bytes) -> bool:
    """Say whether a string of base64 under this name is a file, by how it begins."""
    return not _IS_URL.fullmatch(name) or _IS_FILE_URL.match(begin) is not None


def excess_of(value: bytes) -> int:
    """Count by how much the files of ``messages`` or ``input`` are longer than they count."""
    if len(value) <= INLINE_BYTES or not (b'url"' in value or b'data"' in value):
        return 0
    excess = depth = at = 0
    for found in _FILE.finditer(value):
        depth += _rise(value[at : found.start()])
        at = found.end()
        name, text = found[1], found[2]
        if (name, depth) in _PLACES and is_file(name, text[:BEGIN_MAX]):
            excess += len(text) - INLINE_BYTES
    return excess


def _rise(text: bytes) -> int:
    brackets = turns(outside_strings(text))
    opened = brackets.count(b"[") + brackets.count(b"{")
    return 2 * opened - len(brackets)
