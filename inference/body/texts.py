"""Which strings of an answer are words that a model made, and how many bytes they are.

Engines put words under many names (``content``, ``reasoning``, ``thinking``, ``text``,
``arguments``, …) and tomorrow under another. So it is the other way round here: every string
is taken for words, but for those that are known to be labels.
"""

from __future__ import annotations

import json
from typing import Any, Final

import msgspec

LABELS: Final = frozenset(
    [
        "id",
        "object",
        "model",
        "role",
        "type",
        "status",
        "event",
        "phase",
        "format",
        "provider",
        "index",
        "created",
        "created_at",
        "finish_reason",
        "native_finish_reason",
        "stop_reason",
        "stop_sequence",
        "matched_stop",
        "item_id",
        "response_id",
        "call_id",
        "tool_call_id",
        "system_fingerprint",
        "service_tier",
        "obfuscation",
        "signature",
        "encrypted_content",
        "usage",
        "timings",
        "error",
        "logprobs",
        "prompt_logprobs",
        "annotations",
        "metadata",
        "prompt",
        "instructions",
        "tools",
        "prompt_filter_results",
        "content_filter_results",
        "b64_json",
        "partial_image_b64",
        "reasoning_details",
    ]
)
"""Members that hold no words of the answer: names, figures, what the caller said, what says
the same once more (``reasoning_details``), pictures."""

NO_JSON: Final = object()
"""What ``parsed`` says of bytes that are no JSON."""

_SPECIAL: Final = LABELS | {"audio", "reasoning_content"}
_STRAYS: Final = frozenset(map(chr, range(0xDC80, 0xDD00)))
"""What ``surrogateescape`` makes of bytes that are no UTF-8."""
_decode: Final = msgspec.json.Decoder().decode


def parsed(payload: bytes) -> Any:
    """Read JSON, forgiving what engines get wrong in strings; ``NO_JSON`` if it is none."""
    try:
        return _decode(payload)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        pass
    try:
        return json.loads(payload.decode("utf-8", "surrogateescape"), strict=False)
    except (ValueError, RecursionError):
        return NO_JSON


def size_of(text: str) -> int:
    """Return the bytes of a text in UTF-8. A byte that was no UTF-8 counts as one."""
    if text.isascii():
        return len(text)
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        strays = sum([letter in _STRAYS for letter in text])
        return len(text.encode("utf-8", "surrogatepass")) - 2 * strays


def words_in(value: Any) -> int:
    """Return the bytes of all words in a parsed value, however deep it is."""
    if isinstance(value, str):
        return size_of(value)
    total = 0
    rest = [value]
    while rest:
        held = rest.pop()
        if isinstance(held, str):
            total += size_of(held)
        elif isinstance(held, list):
            rest += held
        elif isinstance(held, dict):
            rest += _worded(held)
    return total


def _worded(members: dict[str, Any]) -> list[Any]:
    """Return the members that may hold words."""
    found = [held for name, held in members.items() if name not in _SPECIAL]
    audio = members.get("audio")
    if isinstance(audio, dict):
        found.append(audio.get("transcript"))
    thought = members.get("reasoning_content")
    if thought != members.get("reasoning"):  # vLLM says it under both names.
        found.append(thought)
    return found


def choices_of(document: Any) -> list[Any]:
    """Return the choices that an answer or a piece of it holds."""
    choices = document.get("choices") if isinstance(document, dict) else None
    return choices if isinstance(choices, list) else []


def news_in(document: Any) -> list[int]:
    """Return the bytes of words that a piece of a stream adds, for each choice it adds to."""
    choices = choices_of(document)
    if choices:
        return [size for choice in choices if (size := words_in(choice))]
    if isinstance(document, dict):
        if "delta" in document:
            document = document["delta"]
        elif isinstance(document.get("type"), str):
            return []  # An event that begins, ends or sums up: ``sum_in``.
    size = words_in(document)
    return [size] if size else []


def sum_in(document: Any) -> int:
    """Return the bytes of words that an event says of what was said in whole."""
    if not isinstance(document, dict) or "choices" in document or "delta" in document:
        return 0
    if not isinstance(document.get("type"), str):
        return 0
    whole = document.get("response")
    return words_in(whole.get("output") if isinstance(whole, dict) else document)
