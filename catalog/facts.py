"""What is said of a model: how people write it, and what it may be. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal, DecimalException
from typing import Any

from catalog.errors import ModelMalformed

GB = 10**9
TASKS = ("generate", "embed", "score")
TEXTS = {
    "title": 120,
    "summary": 240,
    "card": 20_000,
    "family": 60,
    "licence": 60,
    "parameters": 24,
}
"""Texts, and how many characters each may have."""
WORDS = {"formats": 24, "tags": 40, "capabilities": 40}
"""Lists of words, and how many characters a word may have."""
WORDS_MAX = 20
COUNTS = {"context_length": 2**31 - 1, "dimensions": 2**31 - 1}
"""Numbers that may be unknown, and the most they may be."""
SIZE_MAX = 10**15
DEFAULTS_MAX = 4096
UNKEPT = "This holds a character that can't be kept."
NUL = "\\u0000"
"""As JSON writes it."""

FACTS = (*TEXTS, "task", "size_bytes", *COUNTS, *WORDS, "defaults", "is_listed")
"""Everything that may be said of a model, but for its name, which is for life."""


def read_words(text: str) -> list[str]:
    """Return the words of a text with commas between them, each once."""
    words = (word.strip() for word in text.split(","))
    return list(dict.fromkeys(word for word in words if word))


def read_size(text: str) -> int:
    """Return the bytes of a size that a person wrote in GB. Raises ``ModelMalformed``."""
    try:
        size = Decimal(text.strip()) * GB
    except DecimalException:
        size = Decimal("NaN")
    if not size.is_finite() or not 0 <= size <= SIZE_MAX:
        raise ModelMalformed("Write the size in GB, such as 4.7 or 0.1.", param="size_bytes")
    return int(size)


def write_size(size: int) -> str:
    """Return a size in GB as ``read_size`` takes it."""
    return f"{(Decimal(size) / GB).normalize():f}"


def check(facts: Mapping[str, Any]) -> None:
    """Refuse what can't be said of a model. Raises ``ModelMalformed`` naming the fact."""
    for name, value in facts.items():
        fault = _fault_in(name, value)
        if fault:
            raise ModelMalformed(fault, param=name)


def _fault_in(name: str, value: Any) -> str:
    if name in TEXTS:
        return _fault_in_text(value, TEXTS[name], is_needed=name == "title")
    if name in WORDS:
        return _fault_in_words(value, WORDS[name])
    if name in COUNTS:
        return _fault_in_number(value, 1, COUNTS[name]) if value is not None else ""
    if name == "size_bytes":
        return _fault_in_number(value, 0, SIZE_MAX)
    if name == "task":
        return "" if value in TASKS else f"Choose one of: {', '.join(TASKS)}."
    return _fault_in_defaults(value) if name == "defaults" else ""


def _fault_in_text(value: str, most: int, *, is_needed: bool) -> str:
    if is_needed and not value.strip():
        return "Write something here."
    if not _can_be_kept(value):
        return UNKEPT
    return "" if len(value) <= most else f"Use at most {most:,} characters."


def _fault_in_words(words: list[str], most: int) -> str:
    if len(words) > WORDS_MAX:
        return f"Use at most {WORDS_MAX} words."
    if not all(map(_can_be_kept, words)):
        return UNKEPT
    wrong = next((one for one in words if not 0 < len(one.strip()) <= most or "," in one), None)
    return "" if wrong is None else f"A word has 1 to {most} characters and no comma: {wrong!r}."


def _fault_in_number(value: int, least: int, most: int) -> str:
    return "" if least <= value <= most else f"From {least:,} to {most:,}."


def _fault_in_defaults(value: Any) -> str:
    if not isinstance(value, dict):
        return 'Write fields of a request as a JSON object, such as {"temperature": 0.7}.'
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (ValueError, RecursionError):
        return "This is no JSON that can be kept."
    if not _can_be_kept(text) or NUL in text:
        return UNKEPT
    return "" if len(text) <= DEFAULTS_MAX else f"Use at most {DEFAULTS_MAX:,} characters of JSON."


def _can_be_kept(text: str) -> bool:
    """Say whether PostgreSQL takes a text: no NUL, and no half of a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= sign <= "\udfff" for sign in text)
