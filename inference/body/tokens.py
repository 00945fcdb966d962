"""How many tokens a request used: read from what the engine said, or estimated.

Reading is exact about *where* the figure stands. A caller can put ``"usage": {…}`` into what
an engine echoes (tool schemas, metadata), so only the member of the answer itself counts,
never one that lies deeper; inside a string the quotes would be escaped, so it is not found.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from inference.body.fast_read import usage_in
from inference.body.fast_shapes import COUNT_MAX

BYTES_PER_TOKEN: Final = 4

_NEEDLE: Final = b'"usage"'
_OPENS: Final = re.compile(rb"\s*:\s*(?=\{)")
_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_OBJECT_MAX: Final = 8192
_CANDIDATES_MAX: Final = 8
_SPACE_MAX: Final = 64
_DECODER: Final = json.JSONDecoder()

Json = dict[str, Any]


@dataclass(init=False)
class Usage:
    """Tokens of a request as its engine counted them.

    ``tokens_cached`` are part of the input; none if it did not say how many there were.
    """

    tokens_in: int
    tokens_out: int
    tokens_cached: int | None

    def __init__(self, tokens_in: int, tokens_out: int, tokens_cached: int | None = None) -> None:
        self.tokens_in = tokens_in
        self.tokens_out = tokens_out
        self.tokens_cached = tokens_cached


def estimate_tokens(bytes_count: int) -> int:
    """Count tokens where the engine does not: one for each 4 bytes begun, at least one.

    Four bytes a token is what the usual vocabularies reach on English prose and code. Text in
    other scripts has more bytes *and* more tokens a character, so the error stays within a
    factor of two either way.
    """
    return max(1, -(-bytes_count // BYTES_PER_TOKEN))


def usage_of(document: object) -> Usage | None:
    """Read the usage from a parsed answer or stream event; none if it has no good one.

    Chat, completions, embeddings, rerank and score have it on top, a Responses event inside
    ``response``.
    """
    if not isinstance(document, dict):
        return None
    usage = document.get("usage")
    if usage is None and isinstance(document.get("response"), dict):
        usage = document["response"].get("usage")
    return usage_from(usage) if isinstance(usage, dict) else None


def usage_from(usage: Json) -> Usage | None:
    """Read a ``usage`` object in any dialect; none if it holds no count.

    What it leaves out follows from the total, and so does what it says too little of:
    engines forget to count what was thought.
    """
    tokens_out = _count(usage, "completion_tokens", "output_tokens")
    tokens_in = _count(usage, "prompt_tokens", "input_tokens")
    total = _count(usage, "total_tokens")
    if tokens_out is None and tokens_in is None and total is None:
        return None
    known_out, whole = tokens_out or 0, total or 0
    known_in = max(0, whole - known_out) if tokens_in is None else tokens_in
    cached = cached_in(usage)
    if cached is not None:
        cached = min(cached, known_in)
    return Usage(known_in, max(known_out, whole - known_in), cached)


def cached_in(usage: Json) -> int | None:
    """Read how much of the prompt was cached; none if that is not said."""
    details = usage.get("prompt_tokens_details") or usage.get("input_tokens_details")
    cached = _count(details, "cached_tokens") if isinstance(details, dict) else None
    if cached is None:
        cached = _count(usage, "prompt_cache_hit_tokens", "cached_tokens")
    return cached


def merged(known: Usage | None, said: Usage | None) -> Usage | None:
    """Put a later claim to an earlier one: a smaller figure takes nothing back."""
    if known is None or said is None:
        return said or known
    cached = known.tokens_cached if said.tokens_cached is None else said.tokens_cached
    tokens_in = max(known.tokens_in, said.tokens_in)
    return Usage(tokens_in, max(known.tokens_out, said.tokens_out), cached)


def usage_of_answer(tail: bytes, *, is_whole: bool) -> Usage | None:
    """Read the usage of a plain answer from its end, or from all of it."""
    figures = usage_in(tail) if is_whole else None
    return Usage(*figures) if figures is not None else read_usage(tail)


def read_usage(body_tail: bytes, *, depth: int = 1) -> Usage | None:
    """Find the usage in the end of a JSON answer, without parsing the answer.

    ``body_tail`` may begin anywhere but must reach to the end of the document. ``depth`` is
    how many objects the usage lies in: 1 for an answer, 2 for a Responses stream event.
    """
    at = len(body_tail)
    for _ in range(_CANDIDATES_MAX):
        at = body_tail.rfind(_NEEDLE, 0, at)
        if at < 0:
            break
        found = _object_at(body_tail, at)
        if found is not None and _closes(body_tail, found[1]) == depth:
            return usage_from(found[0])
    return None


def _object_at(body: bytes, name_at: int) -> tuple[Json, int] | None:
    colon = _OPENS.match(body, name_at + len(_NEEDLE))
    if colon is None or body[max(0, name_at - _SPACE_MAX) : name_at].rstrip()[-1:] not in b"{,":
        return None
    # Latin-1 keeps byte offsets, and the names and figures we read are ASCII.
    text = body[colon.end() : colon.end() + _OBJECT_MAX].decode("latin-1")
    try:
        usage, length = _DECODER.raw_decode(text)
    except (ValueError, RecursionError):
        return None
    return usage, colon.end() + length


def _closes(body: bytes, start: int) -> int:
    # Behind a value and outside strings, what is closed but not opened is how deep it lay.
    rest = body[start:]
    if rest == b"}":
        return 1  # What every engine that puts usage last sends.
    if b'"' in rest:
        rest = _STRING.sub(b"", rest)
    opened = rest.count(b"{") + rest.count(b"[")
    return rest.count(b"}") + rest.count(b"]") - opened


def _count(holder: Json, *names: str) -> int | None:
    for name in names:
        value = holder.get(name)
        if type(value) is int and 0 <= value <= COUNT_MAX:
            return value
    return None
