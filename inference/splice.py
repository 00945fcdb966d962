"""Request bodies, read once and changed only by putting bytes between bytes.

A body is never parsed and printed again: unknown fields, order, white space and number
formats reach the worker as the caller wrote them. Reading goes member by member over the top
level, so the same pass that checks the JSON also says where each value stands. The text is
decoded as Latin-1 for that, because then an index into it is an offset into the bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, NoReturn

CHAT_LIMITS: Final = ("max_completion_tokens", "max_tokens")
LIMIT_FIELDS: Final = (*CHAT_LIMITS, "max_output_tokens")
"""Names of the token limit: chat has two, completions the second, Responses the third."""

LIMITS_OF: Final = {
    "chat/completions": CHAT_LIMITS,
    "completions": ("max_tokens",),
    "responses": ("max_output_tokens",),
}

PROMPT_FIELDS: Final = frozenset(
    ("messages", "prompt", "suffix", "input", "instructions", "tools", "functions")
) | frozenset(("response_format", "query", "queries", "documents", "text_1", "text_2"))
"""Members whose bytes become input tokens."""

INLINE_BYTES: Final = 4096
"""What an inline file counts for (about 1,000 tokens): an image costs by its size in pixels,
not by the length of its base64. A file is a long string of nothing but base64 and what stands
in front of it in a data URL."""

_READ_ONCE: Final = frozenset(
    ("model", "stream", "stream_options", "n", "best_of", "include_usage", *LIMIT_FIELDS)
)
_SPACE: Final = re.compile(r"[ \t\n\r]*")
_INLINE: Final = re.compile(rb'"[A-Za-z0-9+/=_:;,.-]{%d,}"' % INLINE_BYTES)
_USAGE: Final = b'"include_usage":true'

Span = tuple[int, int]
Edit = tuple[int, int, bytes]


class Malformed(Exception):
    """The body is not a request. ``code`` and ``param`` are those of the public error."""

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param


@dataclass(frozen=True, slots=True)
class Limit:
    """A token limit the caller set: its field, its value, and where the value stands."""

    field: str
    tokens: int
    span: Span


@dataclass(frozen=True, slots=True)
class Request:
    """What the gateway has to know of a body, and where to put what it may add.

    ``n`` is how many answers the worker will make: choices times prompts. ``limit`` is the
    largest of the limits given (engines differ in which one they obey), ``limit_field`` its
    name. ``prompt_bytes`` estimates the size of the prompt. Spans are byte offsets.
    """

    streaming: bool
    model: str
    asked_usage: bool
    n: int
    limit: int | None
    limit_field: str | None
    prompt_bytes: int
    size: int
    fields: frozenset[str]
    limits: tuple[Limit, ...]
    close_at: int
    options_span: Span | None
    usage_edit: Edit | None


def read_request(body: bytes, operation: str | None = None) -> Request:
    """Read a request body. Raises ``Malformed``.

    JSON is what RFC 8259 says: UTF-8 without a byte order mark, no NaN or Infinity. Fields
    that are read here may stand only once, since parsers differ in which copy they obey, and
    a limit must not mean one thing to us and another to the worker. ``operation`` narrows the
    limits to those it knows.
    """
    members, close_at = _members(_text(body), 0)
    values = {name: value for name, value, _ in members}
    spans = {name: span for name, _, span in members}
    streaming = _flag(values, "stream")
    options = values.get("stream_options")
    limits = tuple(_limits(values, spans, LIMITS_OF.get(operation or "", LIMIT_FIELDS)))
    widest = max(limits, key=_tokens, default=None)
    asked, usage_edit = _usage(body, options, spans.get("stream_options"), close_at)
    return Request(
        streaming=streaming,
        model=_model(values, spans, body),
        asked_usage=asked,
        n=_answers(values),
        limit=widest.tokens if widest else None,
        limit_field=widest.field if widest else None,
        prompt_bytes=_prompt_bytes(body, spans),
        size=len(body),
        fields=frozenset(values),
        limits=limits,
        close_at=close_at,
        options_span=spans.get("stream_options"),
        usage_edit=usage_edit,
    )


def splice(
    body: bytes,
    request: Request,
    *,
    usage: bool = False,
    limit: int | None = None,
    defaults: dict[str, Any] | None = None,
) -> bytes:
    """Make several changes at once: everything between them stays as it is.

    ``request`` must have been read from this very ``body``.
    """
    edits: list[Edit] = []
    if limit is not None:
        edits += [(*given.span, b"%d" % limit) for given in request.limits if given.tokens > limit]
    if usage and request.usage_edit is not None:
        edits.append(request.usage_edit)
    if defaults:
        edits += _default_edits(request, defaults)
    return _apply(body, edits) if edits else body


def with_usage(body: bytes, request: Request) -> bytes:
    """Ask for usage on a stream, unless the caller did. An explicit ``false`` becomes true."""
    return splice(body, _fitting(body, request), usage=request.streaming)


def with_limit(body: bytes, request: Request, limit: int) -> bytes:
    """Lower every token limit that is above ``limit``. None is added where none was given."""
    return splice(body, _fitting(body, request), limit=limit)


def with_defaults(body: bytes, request: Request, defaults: dict[str, Any]) -> bytes:
    """Add the top-level fields of ``defaults`` that the caller did not send, null included."""
    return splice(body, _fitting(body, request), defaults=defaults)


# ── Reading ────────────────────────────────────────────────────────────────────────────


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER: Final = json.JSONDecoder(parse_constant=_refuse_constant)


def _text(body: bytes) -> str:
    try:
        if not body.isascii():
            body.decode()
    except UnicodeDecodeError as wrong:
        raise _not_json("it is not UTF-8") from wrong
    return body.decode("latin-1")


def _members(text: str, at: int) -> tuple[list[tuple[str, Any, Span]], int]:
    """Return the members of the object at ``at`` with the span of each value, and its end."""
    try:
        found, close_at = _walk(text, at)
        if _after_space(text, close_at + 1) != len(text) and at == 0:
            raise _not_json("something follows the object")
    except (ValueError, RecursionError, IndexError) as wrong:
        raise _not_json(_reason(wrong)) from wrong
    return found, close_at


def _walk(text: str, at: int) -> tuple[list[tuple[str, Any, Span]], int]:
    at = _after_space(text, at)
    if text[at : at + 1] != "{":
        _DECODER.decode(text)
        raise Malformed("invalid_request", "The body must be a JSON object.")
    members: list[tuple[str, Any, Span]] = []
    seen: set[str] = set()
    at = _after_space(text, at + 1)
    if text[at] == "}":
        return members, at
    while True:
        name, start = _name(text, at)
        if name in seen and name in _READ_ONCE:
            raise Malformed("invalid_request", f"'{name}' is given twice.", name)
        seen.add(name)
        value, end = _DECODER.raw_decode(text, start)
        members.append((name, value, (start, end)))
        at = _after_space(text, end)
        if text[at] == "}":
            return members, at
        if text[at] != ",":
            raise ValueError(f"expected , or }} at byte {at}")
        at = _after_space(text, at + 1)


def _name(text: str, at: int) -> tuple[str, int]:
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


def _not_json(reason: str) -> Malformed:
    return Malformed("json_parse_error", f"The body is not valid JSON: {reason}.")


# ── What the members say ───────────────────────────────────────────────────────────────


def _flag(values: dict[str, Any], name: str) -> bool:
    value = values.get(name)
    if value is not None and not isinstance(value, bool):
        raise Malformed("invalid_request", f"'{name}' must be a boolean.", name)
    return bool(value)


def _model(values: dict[str, Any], spans: dict[str, Span], body: bytes) -> str:
    model = values.get("model")
    if not isinstance(model, str) or not model:
        raise Malformed("invalid_request", "'model' must be a non-empty string.", "model")
    if model.isascii():
        return model
    start, end = spans["model"]
    again: str = json.loads(body[start:end])
    return again


def _limits(
    values: dict[str, Any], spans: dict[str, Span], names: Iterable[str]
) -> Iterable[Limit]:
    for name in names:
        tokens = _whole(values, name)
        # Engines that take -1 or 0 mean "no limit" by it.
        if tokens is not None and tokens > 0:
            yield Limit(name, tokens, spans[name])


def _tokens(limit: Limit) -> int:
    return limit.tokens


def _whole(values: dict[str, Any], name: str) -> int | None:
    value = values.get(name)
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Malformed("invalid_request", f"'{name}' must be an integer.", name)
    return value


def _answers(values: dict[str, Any]) -> int:
    choices = max(_whole(values, "n") or 1, _whole(values, "best_of") or 1)
    prompts = values.get("prompt")
    several = isinstance(prompts, list) and prompts and not isinstance(prompts[0], int)
    return max(1, choices) * (len(prompts) if isinstance(prompts, list) and several else 1)


def _prompt_bytes(body: bytes, spans: dict[str, Span]) -> int:
    size = 0
    for name, (start, end) in spans.items():
        if name in PROMPT_FIELDS:
            size += end - start
    if size > INLINE_BYTES:
        for inline in _INLINE.finditer(body):
            size -= inline.end() - inline.start() - INLINE_BYTES
    return max(0, size)


def _usage(body: bytes, options: Any, span: Span | None, close_at: int) -> tuple[bool, Edit | None]:
    """Say whether usage was asked for, and which edit asks for it if not."""
    if span is None:
        return False, (close_at, close_at, b',"stream_options":{%b}' % _USAGE)
    if options is None:
        return False, (*span, b"{%b}" % _USAGE)
    if not isinstance(options, dict):
        raise Malformed("invalid_request", "'stream_options' must be an object.", "stream_options")
    start, end = span
    members, inner_close = _members(body[start:end].decode("latin-1"), 0)
    if _flag(options, "include_usage"):
        return True, None
    for name, _, (value_start, value_end) in members:
        if name == "include_usage":
            return False, (start + value_start, start + value_end, b"true")
    comma = b"," if members else b""
    return False, (start + inner_close, start + inner_close, comma + _USAGE)


# ── Changing ───────────────────────────────────────────────────────────────────────────


def _default_edits(request: Request, defaults: dict[str, Any]) -> list[Edit]:
    limited = bool(request.fields.intersection(LIMIT_FIELDS))
    missing = {
        name: value
        for name, value in defaults.items()
        if name not in request.fields and not (limited and name in LIMIT_FIELDS)
    }
    text = json.dumps(missing, separators=(",", ":"))[1:-1].encode()
    return [(request.close_at, request.close_at, b"," + text)] if missing else []


def _apply(body: bytes, edits: list[Edit]) -> bytes:
    pieces = []
    at = 0
    for start, end, text in sorted(edits, key=_start):
        pieces += [body[at:start], text]
        at = end
    pieces.append(body[at:])
    return b"".join(pieces)


def _start(edit: Edit) -> int:
    return edit[0]


def _fitting(body: bytes, request: Request) -> Request:
    # A body that was spliced before has moved; reading it again is rare and always right.
    return request if len(body) == request.size else read_request(body)
