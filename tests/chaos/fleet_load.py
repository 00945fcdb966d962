"""Steady callers of a fleet, each of whom knows what its own answer has to say.

A simulator's answer names its question. Of llama.cpp every caller wants one word and nothing
else, and its grammar holds it to that; a simulator does not heed the wish.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from typing import Any

from tests.chaos.callers import LOST, Callers, Told
from tests.chaos.faults import is_own_answer, is_the_word
from tests.plane.caller import Heard

CALLERS = 6
HUNG_S = 40.0
"""No request may take longer: a silent machine is given up after 9 s."""
NONCE_BITS = 24
"""Few, so that llama.cpp is done soon: what it may say is only as long as this."""


@dataclass
class Question(Told):
    """One request, what came of it, and whether it was the answer to something else."""

    word: str = ""
    answer: str = ""
    tokens_in: int = 0
    took_s: float = 0.0
    is_wrong: bool = False

    @property
    def text(self) -> str:
        """Return what is said."""
        return f"Say {self.word}"

    @property
    def engine(self) -> str:
        """Return whose answer it is, by its first byte; empty while there is none."""
        return {"[": "sim", '"': "llama.cpp"}.get(self.answer[:1], "")


class FleetLoad(Callers[Question]):
    """The callers of one run, and all that they saw."""

    count = CALLERS
    patience_s = HUNG_S

    async def call(self, gateway: str) -> Question:
        """Ask one question of a gateway, and judge what it says."""
        word = f"{self.chance.getrandbits(NONCE_BITS):06x}"
        is_stream = self.chance.random() < 0.6
        said = Question(self.round, gateway, "chat", is_stream, 0, word=word)
        self.told.append(said)
        began = time.monotonic()
        try:
            async with asyncio.timeout(HUNG_S):
                await self._call(said)
        except TimeoutError:
            said.ending = "hung"
        except LOST:
            said.lose()
        said.took_s = time.monotonic() - began
        return said

    async def _call(self, said: Question) -> None:
        async with self.asked(said, body_of(said)) as (connection, heard):
            await connection.rest(heard)
            judge(said, heard)


def body_of(said: Question) -> dict[str, Any]:
    """Return the request that asks it."""
    only = {"name": "word", "schema": {"const": said.word}}
    body: dict[str, Any] = {
        "model": "any",
        "messages": [{"role": "user", "content": said.text}],
        "response_format": {"type": "json_schema", "json_schema": only},
    }
    if said.streamed:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return body


def judge(said: Question, heard: Heard) -> None:
    """Say how a request ended, and hold its answer against its question."""
    said.end(heard)
    if heard.status != 200:
        return
    usage: dict[str, int] = {}
    is_whole = said.ending == "finished"
    if said.streamed:
        said.answer, usage = _streamed(heard.body)
    elif is_whole:
        whole = json.loads(heard.body)
        said.answer, usage = whole["choices"][0]["message"]["content"], whole["usage"]
    said.tokens_in = usage.get("prompt_tokens", 0)
    said.tokens_out = usage.get("completion_tokens", 0)
    said.is_wrong = not _is_own(said, is_whole=is_whole)


def _is_own(said: Question, *, is_whole: bool) -> bool:
    if said.engine == "llama.cpp":
        return is_the_word(said.word, said.answer, is_whole=is_whole)
    return is_own_answer(said.text, said.answer, said.tokens_out if is_whole else None)


def _streamed(body: bytes) -> tuple[str, dict[str, int]]:
    """Return the text of a stream, and the usage if it came so far."""
    text = ""
    usage: dict[str, int] = {}
    for event in body.split(b"\n\n")[:-1]:  # What stands behind the last end is half an event.
        if not event.startswith(b"data: {"):
            continue
        said = json.loads(event[6:])
        usage = said.get("usage") or usage
        for choice in said.get("choices", ()):
            text += choice["delta"].get("content") or ""
    return text, usage
