"""The fast path for usual bodies: at a glance, the few fields the gateway needs, at C speed.

msgspec fills what is declared here and steps over the rest, many times faster than going
member by member. A glance never decides alone: whatever careful reading (``splice``,
``tokens``) might see differently, or would refuse, gives none here and is read carefully.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET

from inference.body.fast_shapes import Answer, Asked, Figures, Number, Options

ANSWER_MAX = 1024 * 1024
"""An answer larger than this is not kept: its usage is looked for as it passes."""

_ASKED = msgspec.json.Decoder(Asked)
_OPTIONS = msgspec.json.Decoder(Options)
_ANSWER = msgspec.json.Decoder(Answer)
_UNUSUAL = (msgspec.MsgspecError, ValueError, RecursionError)


def asked_in(body: bytes) -> Asked | None:
    """Read a request body; none if it needs careful reading.

    That is, too, where a value has to be found again to be changed: usage that was asked for
    with ``false``, or prompts whose number counts. Names that are not read at all may stand twice
    unnoticed.
    """
    if body.find(b"\\u") >= 0 or not _is_utf8(body):
        return None
    try:
        asked = _ASKED.decode(body)
        if asked.stream_options and not _OPTIONS.decode(asked.stream_options).include_usage:
            return None
    except _UNUSUAL:
        return None
    if not asked.model or (asked.prompt and bytes(asked.prompt).startswith(b"[")):
        return None
    return None if _names_twice(body, asked) else asked


def _names_twice(body: bytes, asked: Asked) -> bool:
    """Say whether a name that counts may stand twice, which careful reading refuses.

    Only names that were found can; those that lie deeper are counted as well, to be sure.
    """
    options = bool(asked.stream_options)
    return (
        body.count(b'"model"') > 1
        or (asked.stream is not UNSET and body.count(b'"stream"') > 1)
        or (bool(asked.prompt) and body.count(b'"prompt"') > 1)
        or (options and body.count(b'"stream_options"') > 1)
        or (options and body.count(b'"include_usage"') > 1)
        or _stands_twice(body, asked.max_tokens, b'"max_tokens"')
        or _stands_twice(body, asked.max_completion_tokens, b'"max_completion_tokens"')
        or _stands_twice(body, asked.max_output_tokens, b'"max_output_tokens"')
        or _stands_twice(body, asked.n, b'"n"')
        or _stands_twice(body, asked.best_of, b'"best_of"')
    )


def _stands_twice(body: bytes, value: Number, name: bytes) -> bool:
    return value is not UNSET and body.count(name) > 1


def number(value: Number) -> int:
    """Return a number that may be absent or null; 0 if it is."""
    return value if isinstance(value, int) else 0


def parts_of(asked: Asked) -> list[memoryview]:
    """Return what an engine reads, in its order, the prompt last; nothing without a prompt."""
    prompt = asked.messages or asked.prompt or asked.input
    if not prompt:
        return []
    before = [part for part in (asked.tools, asked.functions, asked.response_format) if part]
    return [memoryview(part) for part in (*before, prompt)]


def prompt_bytes(asked: Asked) -> int:
    """Count the bytes of the members that become input tokens, inline files in full."""
    size = 0
    for prompt in (
        asked.messages,
        asked.tools,
        asked.prompt,
        asked.input,
        asked.functions,
        asked.response_format,
        asked.instructions,
        asked.suffix,
        asked.query,
        asked.queries,
        asked.documents,
        asked.text_1,
        asked.text_2,
    ):
        if prompt:
            size += len(prompt)
    return size


def usage_in(answer: bytes) -> tuple[int, int, int | None] | None:
    """Read tokens in, out and cached of a whole answer; none if it needs careful reading."""
    if len(answer) > ANSWER_MAX:
        return None
    try:
        said = _ANSWER.decode(answer)
    except _UNUSUAL:
        return None
    figures = said.usage
    if figures is None or said.error or not _is_usual(figures):
        return None
    tokens_in, tokens_out = figures.prompt_tokens, figures.completion_tokens or 0
    details, total = figures.prompt_tokens_details, figures.total_tokens or 0
    cached = None if details is None else details.cached_tokens
    if min(tokens_in, tokens_out, total, cached or 0) < 0:
        return None
    tokens_out = max(tokens_out, total - tokens_in)
    return tokens_in, tokens_out, None if cached is None else min(cached, tokens_in)


def _is_usual(figures: Figures) -> bool:
    """Say whether it is the dialect that is read here."""
    return not (
        figures.output_tokens
        or figures.input_tokens_details
        or figures.prompt_cache_hit_tokens
        or figures.cached_tokens
    )


def _is_utf8(body: bytes) -> bool:
    if body.isascii():
        return True
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True
