"""The top level of a JSON object, member by member, with the place of each value.

The text is decoded as Latin-1, because then an index into it is an offset into the bytes. The
values themselves are read at C speed; only names and punctuation of the top level are walked.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, NoReturn

CHAT_LIMITS: Final = ("max_completion_tokens", "max_tokens")
LIMIT_FIELDS: Final = (*CHAT_LIMITS, "max_output_tokens")
"""Names of the token limit: chat has two, completions the second, Responses the third."""

ASK_USAGE: Final = b'"include_usage":true'
"""What is spliced in."""

_READ_ONCE: Final = frozenset(
    ("model", "stream", "stream_options", "n", "best_of", "include_usage", *LIMIT_FIELDS)
)
_SPACE: Final = re.compile(r"[ \t\n\r]*")
_NAME: Final = re.compile(r'[ \t\n\r]*"([^"\\\x00-\x1f]*)"[ \t\n\r]*:[ \t\n\r]*')
_NEXT: Final = re.compile(r"[ \t\n\r]*[,}]")
Span = tuple[int, int]
"""From, to: byte offsets."""

Edit = tuple[int, int, bytes]
"""What to put in place of a span, which may be empty."""

Member = tuple[str, Any, Span]
"""Name, value, and where the value stands."""


class Malformed(Exception):
    """The body is not a request. ``code`` and ``param`` are those of the public error."""

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER: Final = json.JSONDecoder(parse_constant=_refuse_constant)


def body_members(body: bytes) -> tuple[list[Member], int]:
    """Return the members of a body and where its closing brace stands.

    Strings in the values are Latin-1 readings of UTF-8. Raises ``Malformed``: JSON is what
    RFC 8259 says, UTF-8 without a byte order mark, no NaN or Infinity.
    """
    try:
        if not body.isascii():
            body.decode()
    except UnicodeDecodeError as wrong:
        raise not_json("it is not UTF-8") from wrong
    return _members(body.decode("latin-1"))


def options_edit(raw: bytes) -> tuple[bool, Edit | None]:
    """Say whether ``stream_options`` ask for usage, and which edit of them does if not.

    ``raw`` is the value as it stands in the body; null counts as nothing asked.
    """
    if raw == b"null":
        return False, (0, 4, b"{%b}" % ASK_USAGE)
    if raw[:1] != b"{":
        raise Malformed("invalid_request", "'stream_options' must be an object.", "stream_options")
    members, close_at = _members(raw.decode("latin-1"))
    if flag({name: value for name, value, _ in members}, "include_usage"):
        return True, None
    for name, _, span in members:
        if name == "include_usage":
            return False, (*span, b"true")
    return False, (close_at, close_at, b"," + ASK_USAGE if members else ASK_USAGE)


def flag(values: dict[str, Any], name: str) -> bool:
    """Read a boolean that may be null or missing. Raises ``Malformed``."""
    value = values.get(name)
    if value is not None and not isinstance(value, bool):
        raise Malformed("invalid_request", f"'{name}' must be a boolean.", name)
    return bool(value)


def whole(values: dict[str, Any], name: str) -> int | None:
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


def _members(text: str) -> tuple[list[Member], int]:
    try:
        found, close_at = _walk(text)
        if _after_space(text, close_at + 1) != len(text):
            raise not_json("something follows the object")
    except (ValueError, RecursionError, IndexError) as wrong:
        raise not_json(_reason(wrong)) from wrong
    return found, close_at


def _walk(text: str) -> tuple[list[Member], int]:
    at = _after_space(text, 0)
    if text[at : at + 1] != "{":
        _DECODER.decode(text)
        raise Malformed("invalid_request", "The body must be a JSON object.")
    members: list[Member] = []
    seen: set[str] = set()
    at += 1
    first = _after_space(text, at)
    if text[first] == "}":
        return members, first
    while True:
        plain = _NAME.match(text, at)
        name, start = (plain[1], plain.end()) if plain else _odd_name(text, at)
        if name in seen and name in _READ_ONCE:
            raise Malformed("invalid_request", f"'{name}' is given twice.", name)
        seen.add(name)
        value, end = _DECODER.raw_decode(text, start)
        members.append((name, value, (start, end)))
        after = _NEXT.match(text, end)
        if after is None:
            raise ValueError(f"expected , or }} at byte {end}")
        at = after.end()
        if text[at - 1] == "}":
            return members, at - 1


def _odd_name(text: str, at: int) -> tuple[str, int]:
    """Read a name with escapes in it."""
    at = _after_space(text, at)
    if text[at] != '"':
        raise ValueError(f"expected a name at byte {at}")
    name, end = _DECODER.raw_decode(text, at)
    colon = _after_space(text, end)
    if text[colon] != ":":
        raise ValueError(f"expected : at byte {colon}")
    return name, _after_space(text, colon + 1)


def _after_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _reason(wrong: Exception) -> str:
    if isinstance(wrong, RecursionError):
        return "it is nested too deeply"
    return "it ends too early" if isinstance(wrong, IndexError) else str(wrong)
