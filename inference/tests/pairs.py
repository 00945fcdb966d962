"""Hostile workers and callers, drawn blindly: what each sends, and when each leaves."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import Any

TEXTS = ("", "hi", "hi", " the", "one\ntwo", 'say "usage"', "日本語", "né", "\ud83d", "😀", "a\\b")
FAT = ("lorem ipsum " * 40, "x" * 3000, "日本" * 700, "w" * 70_000)
KEYS = ("content", "content", "content", "reasoning", "thinking", "text", "refusal")
MEDIA = (
    "text/event-stream", "text/event-stream; charset=utf-8", "Text/Event-Stream",
    "application/json", "application/json", "text/plain", "", "text/html",
)  # fmt: skip
ODD = (
    b": ping\n\n",
    b"\n",
    b"event: x\nid: 7\n\n",
    b"data: no json\n\n",
    b"data:\n\n",
    b"retry: 5\n\n",
)


@dataclass
class Caller:
    """Who asks. ``leaves_after`` so many steps of the worker (none: it stays)."""

    operation: str
    body: bytes
    n: int
    limit: int | None
    leaves_after: int | None
    pauses: bool


def caller_of(chance: random.Random) -> Caller:
    """Draw a caller."""
    operation = chance.choice(["chat/completions"] * 4 + ["completions", "responses"])
    asked: dict[str, Any] = {"model": "m"}
    n = 1
    words = "word " * chance.choice([1, 3, 40, 400])
    if operation == "chat/completions":
        asked["messages"] = [{"role": "user", "content": words}]
    elif operation == "completions":
        prompts = chance.choice([1, 1, 3])
        asked["prompt"] = [words] * prompts if prompts > 1 else words
        n *= prompts
    else:
        asked["input"] = words
    if operation != "responses" and chance.random() < 0.3:
        asked["n"] = chance.choice([1, 2, 5])
        n *= asked["n"]
    limit = chance.choice([None, None, 4, 100, 1000])
    if limit:
        asked["max_output_tokens" if operation == "responses" else "max_tokens"] = limit
    if chance.random() < 0.75:
        asked["stream"] = True
        if operation != "responses" and chance.random() < 0.4:
            asked["stream_options"] = {"include_usage": True}
    leaves = chance.randrange(1, 30) if chance.random() < 0.3 else None
    body = json.dumps(asked).encode()
    return Caller(operation, body, n, limit, leaves, pauses=chance.random() < 0.2)


def script_of(chance: random.Random, caller: Caller) -> list[object]:
    """Draw what a worker does."""
    kind = chance.random()
    if kind < 0.04:
        return [chance.choice(["fail", "end"])]
    media = chance.choice(MEDIA[:2]) if chance.random() < 0.7 else chance.choice(MEDIA)
    if kind < 0.68:
        data = b"".join(_events(chance, caller))
    else:
        media = "application/json" if chance.random() < 0.7 else media
        data = _document(chance, caller)
    head = (200, [(b"content-type", media.encode())] if media else [])
    pieces = _cut(chance, data)
    return [head, *pieces, chance.choice(["end", "end", "end", "end", "fail", "silence"])]


def _events(chance: random.Random, caller: Caller) -> list[bytes]:
    end = chance.choice([b"\n\n"] * 4 + [b"\r\n\r\n", b"\r\r"])
    found = [b": hello" + end] if chance.random() < 0.1 else []
    style = chance.choice(KEYS)
    talks_much = chance.random() < 0.2
    claimed = 0
    for _ in range(chance.choice([0, 1, 3, 10, 60])):
        if chance.random() < 0.05:
            found.append(chance.choice(ODD).replace(b"\n", end[: len(end) // 2]))
        text = chance.choice(FAT[:3] if talks_much and chance.random() < 0.5 else TEXTS)
        if chance.random() < 0.002:
            text = FAT[3]
        document = _piece(
            chance, caller, style if chance.random() < 0.9 else chance.choice(KEYS), text
        )
        claimed += chance.randrange(3)
        if chance.random() < 0.05:
            document["usage"] = chance.choice([None, _usage(chance, claimed)])
        found.append(_written(chance, document) + end)
        if chance.random() < 0.01:
            found.append(_written(chance, _error(chance)) + end)
    return found + _endings(chance, caller, end, claimed)


def _endings(chance: random.Random, caller: Caller, end: bytes, claimed: int) -> list[bytes]:
    last = _error(chance) if chance.random() < 0.06 else None
    found: list[dict[str, Any]] = [] if last is None else [last]
    if caller.operation == "responses":
        response = {"output": [], "usage": _usage(chance, claimed)}
        if chance.random() < 0.8:
            found.append({"type": "response.completed", "response": response})
        return [_written(chance, document) + end for document in found]
    if chance.random() < 0.7:
        found.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    if chance.random() < 0.7:
        found.append(_usage_block(chance, claimed))
    more = [b"data: [DONE]" + end] if chance.random() < 0.8 else []
    if chance.random() < 0.03:
        more.append(_written(chance, _piece(chance, caller, "content", "more")) + end)
    return [*(_written(chance, document) + end for document in found), *more]


def _usage_block(chance: random.Random, claimed: int) -> dict[str, Any]:
    block: dict[str, Any] = {"choices": chance.choice(["", None]), "usage": _usage(chance, claimed)}
    if block["choices"] is not None:
        block["choices"] = []
    if chance.random() < 0.2:
        block["timings"] = {"predicted_ms": 1.5}
    return block


def _piece(chance: random.Random, caller: Caller, key: str, text: str) -> dict[str, Any]:
    if caller.operation == "responses":
        return {"type": "response.output_text.delta", "item_id": "m1", "delta": text}
    many = range(chance.choice([1, 1, 1, caller.n, 7]))
    front: dict[str, Any] = {
        "id": "c1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
    }
    if caller.operation == "completions":
        said: dict[str, Any] = {"text": text}
    else:
        said = {"delta": {key: text}}
    choices = [{"index": at, **said, "finish_reason": None} for at in many]
    return {**front, "choices": choices}


def _usage(chance: random.Random, claimed: int) -> dict[str, Any]:
    lie = chance.choice([claimed] * 4 + [0, 1, 10**6, 10**12, 10**30, -1, 2.5, None])
    told: dict[str, Any] = {
        "prompt_tokens": chance.choice([9, 9, 9, 0, 10**6]),
        "completion_tokens": lie,
    }
    if chance.random() < 0.3 and isinstance(lie, int):
        told["total_tokens"] = 9 + chance.choice([lie, 0, 80])
    if chance.random() < 0.2:
        del told[chance.choice(sorted(told))]
    if chance.random() < 0.1:
        told = {"input_tokens": 9, "output_tokens": claimed}
    return told


def _error(chance: random.Random) -> dict[str, Any]:
    code = chance.choice(["overloaded", 500, 400])
    return {"error": {"message": "It failed.", "type": "server_error", "code": code}}


def _document(chance: random.Random, caller: Caller) -> bytes:
    kind = chance.random()
    if kind < 0.1:
        return _written(chance, _error(chance))[6:]
    if kind < 0.2:
        return chance.choice(
            [b"", b"<html>sign in</html>", b"{}", b"[]", b'"x"', b"  ", b"{x", b"oops"]
        )
    text = chance.choice(FAT[:3]) if chance.random() < 0.3 else chance.choice(TEXTS)
    if caller.operation == "responses":
        answer: dict[str, Any] = {"id": "r1", "output": [{"content": [{"text": text}]}]}
    else:
        many = range(chance.choice([1, caller.n, caller.n]))
        choices = [{"index": at, "message": {"content": text}, "text": ""} for at in many]
        answer = {"id": "c1", "choices": choices}
    if chance.random() < 0.8:
        usage = {"usage": _usage(chance, chance.choice([1, len(text) // 4, 50]))}
        answer = {**usage, **answer} if chance.random() < 0.5 else {**answer, **usage}
    return _written(chance, answer)[6:]


def _written(chance: random.Random, document: dict[str, Any]) -> bytes:
    separators = (",", ":") if chance.random() < 0.8 else None
    text = json.dumps(document, ensure_ascii=chance.random() < 0.6, separators=separators)
    return b"data: " + text.encode("utf-8", "surrogatepass")


def _cut(chance: random.Random, data: bytes) -> list[bytes]:
    reach = chance.choice([3, 200, 200, 4000, 100_000]) if len(data) < 20_000 else 60_000
    pieces, at = [], 0
    while at < len(data):
        step = chance.randrange(1, reach + 1)
        pieces.append(data[at : at + step])
        at += step
    return pieces
