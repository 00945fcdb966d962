"""Request bodies, read once and changed only by putting bytes between bytes.

A body is never parsed and printed again: unknown fields, order, white space and number
formats reach the worker as the caller wrote them. Reading goes member by member over the top
level (``members``), so the same pass that checks the JSON also says where each value stands.
Bodies too large to hold are changed on their way by ``upload.StreamedSplice``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from inference.members import (
    ASK_USAGE,
    CHAT_LIMITS,
    LIMIT_FIELDS,
    Edit,
    Malformed,
    Span,
    body_members,
    flag,
    options_edit,
    whole,
)

__all__ = ["Limit", "Malformed", "Request", "read_request", "splice", "with_defaults"]
__all__ += ["with_limit", "with_usage"]

LIMITS_OF: Final = {
    "chat/completions": CHAT_LIMITS,
    "completions": ("max_tokens",),
    "responses": ("max_output_tokens",),
}
ADD_USAGE: Final = b',"stream_options":{%b}' % ASK_USAGE
"""What asks for usage at the end of a body that says nothing of it."""

PROMPT_FIELDS: Final = frozenset(
    ("messages", "prompt", "suffix", "input", "instructions", "tools", "functions")
) | frozenset(("response_format", "query", "queries", "documents", "text_1", "text_2"))
"""Members whose bytes become input tokens."""

INLINE_BYTES: Final = 4096
"""What an inline file counts for (about 1,000 tokens): an image costs by its size in pixels,
not by the length of its base64. A file is a long string of nothing but base64 and what stands
in front of it in a data URL."""

_INLINE: Final = re.compile(rb'"[A-Za-z0-9+/=_:;,.-]{%d,}"' % INLINE_BYTES)


class Limit(NamedTuple):
    """A token limit the caller set: its field, its value, and where the value stands."""

    field: str
    tokens: int
    span: Span


class Request(NamedTuple):
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
    members, close_at = body_members(body)
    values = {name: value for name, value, _ in members}
    spans = {name: span for name, _, span in members}
    streaming = flag(values, "stream")
    limits = tuple(_limits(values, spans, LIMITS_OF.get(operation or "", LIMIT_FIELDS)))
    widest = max(limits, key=_tokens, default=None)
    asked, edit = _usage(body, spans.get("stream_options"), close_at)
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
        usage_edit=edit,
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


def without_inline(body: bytes, size: int) -> int:
    """Take from the size of a body's prompts what its inline files are longer than they count."""
    if size > INLINE_BYTES:
        for inline in _INLINE.finditer(body):
            size -= inline.end() - inline.start() - INLINE_BYTES
    return max(0, size)


# ── What the members say ───────────────────────────────────────────────────────────────


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
        tokens = whole(values, name)
        # Engines that take -1 or 0 mean "no limit" by it.
        if tokens is not None and tokens > 0:
            yield Limit(name, tokens, spans[name])


def _tokens(limit: Limit) -> int:
    return limit.tokens


def _answers(values: dict[str, Any]) -> int:
    choices = max(whole(values, "n") or 1, whole(values, "best_of") or 1)
    prompts = values.get("prompt")
    # A list that begins with a number is one prompt, as tokens.
    several = isinstance(prompts, list) and prompts and not isinstance(prompts[0], int | float)
    return max(1, choices) * (len(prompts) if isinstance(prompts, list) and several else 1)


def _prompt_bytes(body: bytes, spans: dict[str, Span]) -> int:
    size = 0
    for name, (start, end) in spans.items():
        if name in PROMPT_FIELDS:
            size += end - start
    return without_inline(body, size)


def _usage(body: bytes, span: Span | None, close_at: int) -> tuple[bool, Edit | None]:
    """Say whether usage was asked for, and which edit asks for it if not."""
    if span is None:
        return False, (close_at, close_at, ADD_USAGE)
    asked, edit = options_edit(body[span[0] : span[1]])
    if edit is None:
        return asked, None
    return asked, (span[0] + edit[0], span[0] + edit[1], edit[2])


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
