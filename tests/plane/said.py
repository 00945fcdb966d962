"""What engines say of their tokens, honestly and not, and what was charged for it."""

from __future__ import annotations

import json
from typing import Any

from inference.body.tokens import estimate_tokens
from tests.plane.caller import Heard, request
from tests.plane.conftest import Running, until
from tests.plane.workers import SSE_END, SSE_HEAD, Script, chunk
from tests.plane.world import CHAT, KEY, STREAM, World

PROMPT = estimate_tokens(len(json.dumps(STREAM["messages"])))
CONTEXT = 2048
Json = dict[str, Any]


def event(document: Json) -> bytes:
    return b"data: " + json.dumps(document).encode() + b"\n\n"


def usage(tokens_in: int | None, tokens_out: int | None, **more: Any) -> Json:
    return {"prompt_tokens": tokens_in, "completion_tokens": tokens_out, **more}


def word(text: str = "w ", key: str = "content", **more: Any) -> bytes:
    choice = {"index": 0, "delta": {key: text}, "finish_reason": None}
    return event({"id": "c1", "choices": [choice], **more})


def last(told: Json, **more: Any) -> bytes:
    return event({"id": "c1", "choices": [], "usage": told, **more})


STOP = event({"id": "c1", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
ROLE = event({"id": "c1", "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]})
ERROR = event({"error": {"message": "overloaded", "type": "server_error", "code": "x"}})
ZERO = usage(0, 0, total_tokens=0)
FAT = "lorem ipsum " * 400


def whole(text: str, told: Json | None = None, **more: Any) -> bytes:
    choices = [{"index": 0, "message": {"role": "assistant", "content": text}}]
    return json.dumps(
        {"id": "c1", **more, "choices": choices} | ({"usage": told} if told else {})
    ).encode()


def typed(kind: str, *events: bytes) -> Script:
    head = SSE_HEAD.replace(b"text/event-stream", kind.encode())
    return [head, *map(chunk, events), SSE_END]


async def told(world: World) -> tuple[str, int, int, str]:
    await until(world.events)
    [said] = world.events()
    assert said["cost"] == said["tokens_in"] + said["tokens_out"]
    return said["source"], said["tokens_in"], said["tokens_out"], said["ending"]


async def hears(running: Running, body: Json, path: str = CHAT) -> Heard:
    return await running.ask(request(path, body, key=KEY))
