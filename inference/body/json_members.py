"""Members of a JSON object: its top level, one by one, with the place of each value.

msgspec reads the whole of it at C speed: it checks the JSON and says how long each value is.
What is left is to walk over the names, of which there may not be many. So no body, however it
is made, costs more than a few milliseconds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

ASK_USAGE: Final = b'"include_usage":true'
"""What is spliced in."""

MEMBERS_MAX: Final = 256
"""Fields a body may have: several times as many as any API knows."""

SHOWN_MAX: Final = 80
"""Characters of a caller's own name that an error repeats."""

_NAME: Final = re.compile(rb'[ \t\n\r]*"([^"\\]*+(?:\\.[^"\\]*+)*+)"[ \t\n\r]*:[ \t\n\r]*')
_NEXT: Final = re.compile(rb"[ \t\n\r]*([,}])")
_MARK: Final = b"\xef\xbb\xbf"
_MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ANY: Final = msgspec.json.Decoder(msgspec.Raw)

Span = tuple[int, int]
"""From, to: byte offsets."""

Edit = tuple[int, int, bytes]
"""What to put in place of a span, which may be empty."""


class Malformed(Exception):
    """The body is not a request. ``code`` and ``param`` are those of the public error."""

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param


def body_members(body: bytes) -> tuple[dict[str, Span], int]:
    """Return where the value of each member of a body stands, and its closing brace.

    Raises ``Malformed``: JSON is what RFC 8259 says, UTF-8 without a byte order mark, no NaN
    or Infinity, and no name twice, since parsers differ in which one they obey.
    """
    if body.startswith(_MARK):
        raise marked()
    try:
        if not body.isascii():
            body.decode()
    except UnicodeDecodeError as wrong:
        raise not_json("it is not UTF-8") from wrong
    return _members(readable(body))


def options_edit(raw: bytes) -> tuple[bool, Edit | None]:
    """Say whether ``stream_options`` ask for usage, and which edit of them does if not.

    ``raw`` is the value as it stands in the body; null counts as nothing asked.
    """
    if raw == b"null":
        return False, (0, 4, b"{%b}" % ASK_USAGE)
    if raw[:1] != b"{":
        raise Malformed("invalid_request", "'stream_options' must be an object.", "stream_options")
    spans, close_at = _members(readable(raw))
    span = spans.get("include_usage")
    if span is None:
        return False, (close_at, close_at, b"," + ASK_USAGE if spans else ASK_USAGE)
    if flag({"include_usage": json.loads(raw[span[0] : span[1]])}, "include_usage"):
        return True, None
    return False, (*span, b"true")


def readable(text: bytes) -> bytes:
    """Make JSON readable to msgspec, which minds half a surrogate pair.

    By its grammar that is JSON, and an engine's to judge. It is replaced by an escape that is as
    long.
    """
    if b"\\u" not in text:
        return text
    return text.replace(b"\\ud", b"\\u0").replace(b"\\uD", b"\\u0")


def flag(values: Mapping[str, Any], name: str) -> bool:
    """Read a boolean that may be null or missing. Raises ``Malformed``."""
    value = values.get(name)
    if value is not None and not isinstance(value, bool):
        raise Malformed("invalid_request", f"'{name}' must be a boolean.", name)
    return bool(value)


def whole(values: Mapping[str, Any], name: str) -> int | None:
    """Read a whole number that may be null or missing. Raises ``Malformed``."""
    value = values.get(name)
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Malformed("invalid_request", f"'{name}' must be an integer.", name)
    return value


def not_json(reason: str) -> Malformed:
    """Say that a body is no JSON, and why."""
    return Malformed("json_parse_error", f"The body is not valid JSON: {reason}.")


def marked() -> Malformed:
    """Say that a body begins with a byte order mark, which RFC 8259 forbids to send."""
    return not_json("it begins with a byte order mark; send UTF-8 without one")


def twice(name: str) -> Malformed:
    """Say that a name stands twice, which parsers read differently."""
    shown = name[:SHOWN_MAX]
    return Malformed("invalid_request", f"'{shown}' is given twice.", shown)


def too_many() -> Malformed:
    """Say that a body has too many members."""
    return Malformed("invalid_request", f"The body has more than {MEMBERS_MAX} fields.")


def name_of(raw: bytes) -> str:
    """Undo the escapes of a name; one that can't be undone matches nothing we look for."""
    if b"\\" not in raw:
        return raw.decode("utf-8", "replace")
    try:
        name: str = json.loads(b'"%b"' % readable(raw))
    except ValueError:
        return ""
    return name


def _members(text: bytes) -> tuple[dict[str, Span], int]:
    try:
        found = _MEMBERS.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError) as wrong:
        raise _fault(text, wrong) from wrong
    if len(found) > MEMBERS_MAX:
        raise too_many()
    return _walk(text, found)


def _walk(text: bytes, found: dict[str, msgspec.Raw]) -> tuple[dict[str, Span], int]:
    """Find each value again.

    The text is known to be JSON, so only a name that stands twice, and was therefore found with
    another value or in another place, can be in the way.
    """
    spans: dict[str, Span] = {}
    at = text.index(b"{") + 1
    for name, raw in found.items():
        head = _NAME.match(text, at)
        assert head is not None  # noqa: S101 - it is JSON, and there is one more name
        if name_of(head[1]) != name:
            raise twice(name_of(head[1]))
        start, end = head.end(), head.end() + len(bytes(raw))
        after = _NEXT.match(text, end)
        if text[start:end] != bytes(raw) or after is None:
            raise twice(name)
        spans[name] = (start, end)
        at = after.end()
    close_at = at - 1 if found else text.index(b"}", at)
    if found and text[close_at : close_at + 1] != b"}":
        head = _NAME.match(text, at)
        raise twice(name_of(head[1]) if head else "")
    return spans, close_at


def _fault(text: bytes, wrong: Exception) -> Malformed:
    if isinstance(wrong, msgspec.ValidationError) and not text.lstrip(b" \t\n\r").startswith(b"{"):
        try:
            _ANY.decode(text)
        except (msgspec.MsgspecError, ValueError, RecursionError) as other:
            return not_json(_reason(other))
        return Malformed("invalid_request", "The body must be a JSON object.")
    return not_json(_reason(wrong))


def _reason(wrong: Exception) -> str:
    if isinstance(wrong, RecursionError):
        return "it is nested too deeply"
    said = str(wrong).removeprefix("JSON is malformed: ")
    return "it ends too early" if "truncated" in said else said
