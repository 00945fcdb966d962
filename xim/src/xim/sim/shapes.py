"""Answers in OpenAI's shapes, and the usage an engine reports; pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from xim.sim.quirks import Quirks

CREATED = 1_790_000_000


@dataclass(frozen=True, slots=True)
class Told:
    """What an answer says of itself."""

    id: str
    model: str
    is_chat: bool
    prompt: int
    cached: int
    quirks: Quirks

    def usage(self, made: int, *, cached: bool = True) -> dict[str, Any]:
        """Return the tokens of the request."""
        said: dict[str, Any] = {
            "prompt_tokens": self.prompt,
            "completion_tokens": made,
            "total_tokens": self.prompt + made,
        }
        if cached and self.quirks.says_cached:
            said["prompt_tokens_details"] = {"cached_tokens": self.cached}
        elif self.quirks.null_details:
            said["prompt_tokens_details"] = None
        return said

    def chunk(self, text: str | None, *, first: bool = False, end: str | None = None) -> bytes:
        """Return one event of a stream."""
        if self.is_chat:
            delta: dict[str, Any] = {"role": "assistant"} if first else {}
            if text is not None or (first and self.quirks.name == "llamacpp"):
                delta["content"] = text
            choice: dict[str, Any] = {"index": 0, "delta": delta, "finish_reason": end}
        else:
            choice = {"index": 0, "text": text or "", "finish_reason": end}
        return event(self._envelope(stream=True) | {"choices": [choice]})

    def last_chunk(self, made: int) -> bytes:
        """Return the event that reports the usage."""
        return event(self._envelope(stream=True) | {"choices": [], "usage": self.usage(made)})

    def whole(self, text: str, made: int, end: str) -> dict[str, Any]:
        """Return an answer that is no stream."""
        choice: dict[str, Any] = {"index": 0, "finish_reason": end}
        if self.is_chat:
            choice["message"] = {"role": "assistant", "content": text}
        else:
            choice["text"] = text
        said = self._envelope(stream=False) | {"choices": [choice], "usage": self.usage(made)}
        return said | (self.timings(made) if self.quirks.timings else {})

    def timings(self, made: int) -> dict[str, Any]:
        """Return what llama.cpp adds of its own."""
        read = self.prompt - self.cached
        return {"timings": {"cache_n": self.cached, "prompt_n": read, "predicted_n": made}}

    def _envelope(self, *, stream: bool) -> dict[str, Any]:
        kind = "chat.completion" if self.is_chat else "text_completion"
        name = f"{kind}.chunk" if stream and self.is_chat else kind
        return {"id": self.id, "object": name, "created": CREATED, "model": self.model}


def event(content: Any) -> bytes:
    """Return one server-sent event."""
    return b"data: " + json.dumps(content, separators=(",", ":")).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


def model_list(models: tuple[str, ...], context: int, quirks: Quirks) -> dict[str, Any]:
    """Return what ``/v1/models`` says."""
    rows: list[dict[str, Any]] = []
    for name in models:
        row: dict[str, Any] = {
            "id": name,
            "object": "model",
            "created": CREATED,
            "owned_by": quirks.name,
        }
        if quirks.name == "llamacpp":
            row["meta"] = {"n_ctx": context, "size": 100 << 20}
        elif quirks.name != "ollama":
            row["max_model_len"] = context
        rows.append(row)
    said: dict[str, Any] = {"object": "list", "data": rows}
    if quirks.name == "llamacpp":
        said["models"] = [{"name": name, "model": name} for name in models]
    return said


def vector_of(mark: str, size: int = 8) -> list[float]:
    """Return a vector that belongs to one text alone, of length 1 or so."""
    digits = mark.strip("[]")
    raw = [int(digits[index : index + 1] or "1", 16) + 1 for index in range(size)]
    length = sum(one * one for one in raw) ** 0.5
    return [round(one / length, 6) for one in raw]
