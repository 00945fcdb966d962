"""The rules of ``docs/adr/0018`` read the slow and plain way: everything parsed, nothing shared.

Told what a worker sent and how it went, it says who counted and what is charged. It knows no
reads, no frames and no holds; what was set aside it is told.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

LABELS = {"id", "object", "created", "model", "role", "type", "finish_reason", "index", "logprobs"}
LABELS |= {"usage", "timings", "error", "system_fingerprint", "metadata", "item_id", "prompt"}
LARGE = 65536
BLOCK = re.compile(rb"(?:\r\n|\r|\n){2,}")


@dataclass
class Asked:
    """What was asked for, as the platform understood it."""

    operation: str
    prompt_tokens: int
    n: int
    limit: int | None
    context: int | None


@dataclass
class Sent:
    """What a worker sent, and whether it ended it by its framing."""

    media: str
    pieces: list[bytes] = field(default_factory=list)
    is_whole: bool = False


@dataclass
class Facts:
    """What can be seen of an answer. Claims are (in, out), each the largest so far."""

    pieces: int = 0
    text: int = 0
    sums: int = 0
    size: int = 0
    claim: tuple[int, int] | None = None
    text_since: bool = False
    choices: set[int] = field(default_factory=set)
    is_error: bool = False
    is_answer: bool = False


Verdict = tuple[str, int, int]


def model_of(asked: Asked, sent: Sent, *, ending: str, ceiling: int | None) -> Verdict:
    """Say source, tokens in and tokens out."""
    facts = read(asked, sent)
    has_text = facts.pieces > 0 or facts.sums > 0
    given = has_text or facts.is_answer or (facts.claim is not None and not facts.is_error)
    if not given:
        return ("estimated", *_cut(asked, (asked.prompt_tokens, 0), ceiling)) \
            if ending == "caller_left" and not facts.is_error else ("absent", 0, 0)  # fmt: skip
    if _is_good(asked, facts, has_text=has_text):
        assert facts.claim is not None
        cut = _cut(asked, facts.claim, ceiling)
        return "measured" if cut == facts.claim else "estimated", *cut
    said_in, said_out = facts.claim or (0, 0)
    room = (asked.context or 10**7) * asked.n
    said_in = min(said_in, room)
    said_out = min(said_out, room - said_in)
    size = max(facts.text, facts.sums, facts.size)
    out = max(facts.pieces, -(-size // 4), said_out)
    most = room if asked.limit is None else min(room, asked.limit * asked.n)
    return "estimated", *_cut(
        asked, (max(min(asked.prompt_tokens, room), said_in), min(out, most)), ceiling
    )


def _is_good(asked: Asked, facts: Facts, *, has_text: bool) -> bool:
    if facts.claim is None or facts.text_since:
        return False
    claimed_in, claimed_out = facts.claim
    room = (asked.context or 10**7) * asked.n
    most = room if asked.limit is None else min(room, asked.limit * asked.n)
    if claimed_in == 0 or (claimed_out == 0 and has_text):
        return False
    if claimed_in + claimed_out > room or claimed_out > most:
        return False
    if max(asked.n, len(facts.choices)) > 1:
        by_bytes = -(-max(facts.text, facts.sums) // 4)
        return claimed_out >= facts.pieces and claimed_out * 3 >= by_bytes * 2
    return True


def _cut(asked: Asked, tokens: tuple[int, int], ceiling: int | None) -> tuple[int, int]:
    if ceiling is None or sum(tokens) <= ceiling:
        return tokens
    tokens_in = min(tokens[0], ceiling)
    return tokens_in, ceiling - tokens_in


# ── Reading ────────────────────────────────────────────────────────────────────────────


def read(asked: Asked, sent: Sent) -> Facts:
    """Read an answer by what it is."""
    facts = Facts()
    front = b""
    for number, piece in enumerate(sent.pieces):
        front += piece
        kind = _kind(front, sent.media)
        if kind:
            rest = [front, *sent.pieces[number + 1 :]]
            if kind == "stream":
                _read_stream(facts, b"".join(rest), is_whole=sent.is_whole)
            elif kind == "document":
                _read_document(facts, asked, rest if sent.is_whole else rest[:-1], sent.is_whole)
            break
    return facts


def _kind(front: bytes, media: str) -> str:
    solid = front.lstrip()
    names = ("data:", "event:", "id:", "retry:", ":")
    text = solid.decode("latin-1")
    if not text or any(name != text and name.startswith(text) for name in names):
        return ""
    if text.startswith(names):
        return "stream"
    if text[0] in "{[":
        return "document"
    plain = media.partition(";")[0].strip().lower()
    if plain == "text/event-stream":
        return "stream"
    return "document" if plain == "application/json" and text[0] != "<" else "foreign"


def stream_facts(stream: bytes) -> Facts:
    """Read a whole stream."""
    facts = Facts()
    _read_stream(facts, stream.removeprefix(b"\xef\xbb\xbf"), is_whole=True)
    return facts


def _read_stream(facts: Facts, data: bytes, *, is_whole: bool) -> None:
    data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").lstrip(b"\n")
    blocks = data.split(b"\n\n")
    if not is_whole:
        blocks = blocks[:-1]
    for block in blocks:
        _read_block(facts, block.strip(b"\n"))


def _read_block(facts: Facts, block: bytes) -> None:
    fields = [line.partition(b":") for line in block.split(b"\n")]
    values = [value.removeprefix(b" ") for name, _, value in fields if name == b"data"]
    payload = b"\n".join(values).rstrip(b" ")
    if not payload or payload == b"[DONE]":
        return
    if len(block) > LARGE:
        _add(facts, [len(block)])
        whole = _parse(payload)
        _claim(facts, whole.get("usage") if isinstance(whole, dict) else None)
        return
    document = _parse(payload)
    if document is None:
        _add(facts, [len(payload)])
        return
    if not isinstance(document, dict):
        _add(facts, [words(document)])
        return
    choices = document.get("choices") or []
    if choices:
        _add(facts, [words(choice) for choice in choices])
        facts.choices |= {c.get("index", at) for at, c in enumerate(choices)}
    elif "delta" in document:
        _add(facts, [words(document["delta"])])
    elif "type" in document:
        whole = document.get("response", document)
        facts.sums = max(facts.sums, words(whole.get("output", "")))
    else:
        _add(facts, [words(document)])
    usage = document.get("usage") or document.get("response", {}).get("usage")
    _claim(facts, usage)
    facts.is_error |= bool(document.get("error"))


def _read_document(facts: Facts, asked: Asked, pieces: list[bytes], is_whole: bool) -> None:
    data = b"".join(pieces)
    facts.size = len(data)
    if not is_whole:
        facts.is_answer = bool(data)
        return
    document = _parse(data)
    if document is None:
        facts.pieces, facts.is_answer = 1, data.lstrip()[:1] in (b"{", b"[")
        if not facts.is_answer:
            facts.pieces = 0
        return
    choices = document.get("choices") or [] if isinstance(document, dict) else []
    sizes = [words(choice) for choice in choices] or [words(document)]
    facts.pieces = sum(size > 0 for size in sizes)
    facts.text = sum(sizes)
    facts.choices = set(range(len(choices)))
    if isinstance(document, dict):
        facts.is_error = bool(document.get("error"))
        _claim(facts, document.get("usage"))
    if asked.operation == "responses":
        facts.is_answer = bool(document) and isinstance(document, dict | list)
        facts.is_answer &= not facts.is_error
    else:
        facts.is_answer = bool(choices) and not facts.is_error
    if not facts.is_answer and not (facts.is_error and choices):
        facts.pieces = facts.text = 0


def _add(facts: Facts, sizes: list[int]) -> None:
    sizes = [size for size in sizes if size]
    facts.pieces += len(sizes)
    facts.text += sum(sizes)
    facts.text_since |= bool(sizes)


def _claim(facts: Facts, usage: Any) -> None:
    if not isinstance(usage, dict):
        return
    said_in = _count(usage, "prompt_tokens", "input_tokens")
    said_out = _count(usage, "completion_tokens", "output_tokens")
    total = _count(usage, "total_tokens")
    if said_in is said_out is total is None:
        return
    if said_in is None:
        said_in = max(0, (total or 0) - (said_out or 0))
    out = max(said_out or 0, (total or 0) - said_in)
    before = facts.claim or (0, 0)
    facts.claim = max(before[0], said_in), max(before[1], out)
    facts.text_since = False


def _count(usage: dict[str, Any], *names: str) -> int | None:
    found = [usage[name] for name in names if type(usage.get(name)) is int]
    good = [value for value in found if 0 <= value <= 10**12]
    return good[0] if good else None


def _parse(payload: bytes) -> Any:
    try:
        return json.loads(payload.decode("utf-8", "surrogateescape"), strict=False)
    except ValueError:
        return None


def words(value: Any) -> int:
    """Count the bytes of all strings that are no labels."""
    if isinstance(value, str):
        # What was no UTF-8 came as one byte each.
        strays = sum("\udc80" <= letter <= "\udcff" for letter in value)
        return len(value.encode("utf-8", "surrogatepass")) - 2 * strays
    if isinstance(value, list):
        return sum(words(one) for one in value)
    if isinstance(value, dict):
        return sum(words(held) for name, held in value.items() if name not in LABELS)
    return 0
