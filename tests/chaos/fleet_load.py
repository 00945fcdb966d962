"""Steady callers of a fleet, each of whom knows what its own answer has to say."""

from __future__ import annotations

import asyncio
import json
import random
import time
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.faults import is_own_answer
from tests.chaos.load import Told
from tests.plane.caller import Connection, Heard, request
from tests.plane.workers import DONE

CALLERS = 6
HUNG_S = 40.0
"""No request may take longer: a silent machine is given up after 9 s."""
LOST = (OSError, asyncio.IncompleteReadError, ValueError)


@dataclass
class Question(Told):
    """One request, what came of it, and whether it was the answer to something else."""

    text: str = ""
    answer: str = ""
    tokens_in: int = 0
    took_s: float = 0.0
    is_wrong: bool = False


@dataclass
class FleetLoad:
    """The callers of one run, and all that they saw."""

    project: str
    key: str
    ports: dict[str, int]
    chance: random.Random
    told: list[Question] = field(default_factory=list)
    round: int = 0
    is_over: bool = False

    async def run(self) -> None:
        """Call until it is over."""
        async with asyncio.TaskGroup() as group:
            for _ in range(CALLERS):
                group.create_task(self._call_for_ever())

    async def _call_for_ever(self) -> None:
        while not self.is_over:
            await self.ask(self.chance.choice(list(self.ports)))
            await asyncio.sleep(self.chance.uniform(0.1, 0.6))

    async def ask(self, gateway: str) -> Question:
        """Ask one question of a gateway, and judge what it says."""
        nonce = f"{self.chance.getrandbits(96):024x}"
        is_stream = self.chance.random() < 0.6
        said = Question(self.round, gateway, "chat", is_stream, 0, text=f"Say {nonce}")
        self.told.append(said)
        began = time.monotonic()
        try:
            async with asyncio.timeout(HUNG_S):
                await self._call(said)
        except TimeoutError:
            said.ending = "hung"
        except LOST:
            said.ending = "broken" if said.request_id else "unreachable"
        said.took_s = time.monotonic() - began
        return said

    async def _call(self, said: Question) -> None:
        connection = await Connection.open(self.ports[said.gateway])
        try:
            path = f"/{self.project}/{said.endpoint}/v1/chat/completions"
            await connection.send(request(path, _body(said), key=self.key))
            heard = await connection.head()
            said.request_id = heard.header("x-xerotier-request-id") or ""
            said.status = heard.status
            await connection.rest(heard)
            judge(said, heard)
        finally:
            connection.reset()


def _body(said: Question) -> dict[str, Any]:
    body: dict[str, Any] = {"model": "any", "messages": [{"role": "user", "content": said.text}]}
    if said.streamed:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return body


def judge(said: Question, heard: Heard) -> None:
    """Say how a request ended, and hold its answer against its question."""
    if heard.status != 200:
        is_told = heard.complete
        said.ending, said.code = ("refused", heard.error["code"]) if is_told else ("broken", "")
        return
    usage: dict[str, int] = {}
    is_whole = heard.complete and (not said.streamed or heard.body.endswith(DONE))
    if said.streamed:
        said.answer, usage = _streamed(heard.body)
    elif is_whole:
        whole = json.loads(heard.body)
        said.answer, usage = whole["choices"][0]["message"]["content"], whole["usage"]
    said.tokens_in = usage.get("prompt_tokens", 0)
    said.tokens_out = usage.get("completion_tokens", 0)
    said.ending = "finished" if is_whole else "cut" if heard.complete else "broken"
    said.is_wrong = not is_own_answer(said.text, said.answer, said.tokens_out if is_whole else None)


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
