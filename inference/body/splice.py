"""Request bodies, read once and changed only by putting bytes between bytes.

A body is never parsed and printed again: unknown fields, order, white space and number
formats reach the worker as the caller wrote them. Reading goes member by member over the top
level (``json_members``), so the same pass that checks the JSON also says where each value stands.
Bodies too large to hold are changed on their way by ``streamed_splice.StreamedSplice``.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, NamedTuple

import msgspec

from inference.body.dialects import (
    MOST,
    READ,
    check_name,
    choices_in,
    limit_in,
    limits_in,
    read_value,
)
from inference.body.inline import HOLDING, excess_of
from inference.body.json_members import (
    ASK_USAGE,
    Edit,
    Malformed,
    Span,
    body_members,
    flag,
    options_edit,
    readable,
)

__all__ = ["Limit", "Malformed", "Request", "read_request", "splice", "with_model"]

ADD_USAGE: Final = b',"stream_options":{%b}' % ASK_USAGE
"""What asks for usage at the end of a body that says nothing of it."""

PROMPT_FIELDS: Final = frozenset(
    ("messages", "prompt", "suffix", "input", "instructions", "tools", "functions")
) | frozenset(("response_format", "query", "queries", "documents", "text_1", "text_2"))
"""Members whose bytes surely become input tokens."""

PROMPTS: Final = ("messages", "prompt", "input")
BEFORE_PROMPT: Final = ("tools", "functions", "response_format")
"""Members that chat templates put before the messages."""

OTHER_FREE: Final = 1024
"""Bytes of a body beside those that count for nothing: settings and small change. What is more
than that counts, because some engine may read it into the prompt, whatever it is called."""

_TEXTS: Final = msgspec.json.Decoder(list[str])
_PROMPTS: Final = msgspec.json.Decoder(list[msgspec.Raw])
_MODEL: Final = re.compile(rb'"model"[ \t\n\r]*:[ \t\n\r]*("[^"\\]*+(?:\\.[^"\\]*+)*+")')
_ONE_PROMPT: Final = b"-0123456789tf"
"""How a list's first value begins if the list is one prompt, as tokens."""


class Limit(NamedTuple):
    """A token limit the caller set: its field, its value, and where the value stands."""

    field: str
    tokens: int
    span: Span


class Request(NamedTuple):
    """What the gateway has to know of a body, and where to put what it may add.

    ``n`` is how many answers the worker will make: choices times prompts. ``limit`` is what any
    engine would take for the limit at most (``dialects``), ``limit_field`` its name.
    ``prompt_bytes`` estimates the size of the prompt. Spans are byte offsets.
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
    prompt_spans: tuple[Span, ...]
    """Where what stands before a prompt stands (``BEFORE_PROMPT``), and then the prompt."""


def read_request(body: bytes, operation: str | None = None) -> Request:
    """Read a request body. Raises ``Malformed``.

    JSON is what RFC 8259 says: UTF-8 without a byte order mark, no NaN or Infinity. No field may
    stand twice, since parsers differ in which copy they obey, and a limit must not mean one thing
    to us and another to the worker. ``operation`` says which limits every engine knows.
    """
    spans, close_at = body_members(body)
    values = _values(body, spans)
    limit = limit_in(values, operation)
    asked, edit = _usage(body, spans.get("stream_options"), close_at)
    limits = tuple([Limit(name, tokens, spans[name]) for name, tokens in limits_in(values).items()])
    return Request(
        streaming=flag(values, "stream"),
        model=_model(values),
        asked_usage=asked,
        n=choices_in(values) * _prompts(body, spans.get("prompt")),
        limit=limit,
        limit_field=None if limit is None else max(limits, key=_tokens).field,
        prompt_bytes=_prompt_bytes(body, spans),
        size=len(body),
        fields=frozenset(spans),
        limits=limits,
        close_at=close_at,
        options_span=spans.get("stream_options"),
        usage_edit=edit,
        prompt_spans=_prompt_spans(spans),
    )


def _prompt_spans(spans: dict[str, Span]) -> tuple[Span, ...]:
    """Find what an engine reads, in its order; nothing where there is no prompt."""
    prompt = next((spans[name] for name in PROMPTS if name in spans), None)
    if prompt is None:
        return ()
    return (*[spans[name] for name in BEFORE_PROMPT if name in spans], prompt)


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


def with_model(body: bytes, name: str) -> bytes:
    """Put another name in place of the model's: the one its worker knows it by.

    ``body`` was read before. Where its only ``"model"`` can't be spelled otherwise, that is it.
    """
    plain = _MODEL.search(body) if b"\\u" not in body and body.count(b'"model"') == 1 else None
    start, end = plain.span(1) if plain is not None else body_members(body)[0]["model"]
    return body[:start] + json.dumps(name, ensure_ascii=False).encode() + body[end:]


# ── What the members say ───────────────────────────────────────────────────────────────


def _values(body: bytes, spans: dict[str, Span]) -> dict[str, Any]:
    for name in spans:
        check_name(name)
    return {
        name: read_value(name, body[span[0] : span[1]])
        for name, span in spans.items()
        if name in READ
    }


def _model(values: dict[str, Any]) -> str:
    model = values.get("model")
    if not isinstance(model, str) or not model:
        raise Malformed("invalid_request", "'model' must be a non-empty string.", "model")
    return model


def _tokens(limit: Limit) -> int:
    return limit.tokens


def _prompts(body: bytes, span: Span | None) -> int:
    """Count the prompts: a list has one of its own for each answer, unless it is of tokens."""
    raw = b"" if span is None else body[span[0] : span[1]]
    first = raw[1:].lstrip(b" \t\n\r")[:1]
    if not raw.startswith(b"[") or first in _ONE_PROMPT or first == b"]":
        return 1
    try:
        return len(_TEXTS.decode(readable(raw)))  # Half the time it takes for any others.
    except msgspec.ValidationError:
        return len(_PROMPTS.decode(readable(raw)))


def _prompt_bytes(body: bytes, spans: dict[str, Span]) -> int:
    size = sum(end - start for name, (start, end) in spans.items() if name in PROMPT_FIELDS)
    holders = [body[spans[name][0] : spans[name][1]] for name in HOLDING if name in spans]
    return counted(size, len(body)) - sum(map(excess_of, holders))


def counted(prompts: int, size: int) -> int:
    """Return how many bytes of a body count as prompt, if so many surely are."""
    return max(prompts, size - OTHER_FREE)


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
    limited = bool(request.fields.intersection(MOST))
    missing = {
        name: value
        for name, value in defaults.items()
        if name not in request.fields and not (limited and name in MOST)
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
