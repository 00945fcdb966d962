"""Steady callers, streaming and not, some of whom leave; and the worker that answers them.

What a caller wants is written in its message, so that the worker's usage is known to the
caller: the third set of books beside PostgreSQL's and Valkey's.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.plane.caller import Connection, Heard, request
from tests.plane.workers import (
    DONE,
    SSE_END,
    SSE_HEAD,
    Asked,
    Script,
    ScriptedWorker,
    answer,
    chunk,
    completion,
    delta,
    usage_event,
)

TOKENS_IN = 11
CALLERS = 14
"""With their pauses these make some 20 requests a second."""


@dataclass
class Told:
    """One request as its caller saw it.

    ``ending``: finished, cut (the stream said why), left, broken, refused, unreachable, or
    running, while it still does.
    """

    round: int
    gateway: str
    endpoint: str
    streamed: bool
    tokens_out: int
    request_id: str = ""
    ending: str = "running"
    status: int = 0
    code: str = ""


class WillingWorker(ScriptedWorker):
    """Answers with as many tokens, in as many pieces and as slowly as the message asks."""

    def script_of(self, asked: Asked) -> Script:
        if not asked.body:
            return [answer(b"{}")]  # Whether a worker that had broken off is well again.
        wish = json.loads(json.loads(asked.body)["messages"][0]["content"])
        tokens, gap_s = int(wish["tokens"]), float(wish["gap_s"])
        if not wish["stream"]:
            return [gap_s * 5, answer(completion("x", TOKENS_IN, tokens))]
        script: Script = [SSE_HEAD]
        for begin in range(0, tokens, 4):
            script += [chunk(delta("x") * min(4, tokens - begin)), gap_s]
        return [*script, chunk(usage_event(TOKENS_IN, tokens)), chunk(DONE), SSE_END]


@dataclass
class Load:
    """The callers of one run, and all that they saw."""

    project: str
    key: str
    ports: dict[str, int]
    chance: random.Random
    told: list[Told] = field(default_factory=list)
    round: int = 0
    is_over: bool = False

    async def run(self) -> None:
        """Call until it is over."""
        async with asyncio.TaskGroup() as group:
            for _ in range(CALLERS):
                group.create_task(self._call_for_ever())

    async def _call_for_ever(self) -> None:
        while not self.is_over:
            told, wish = self._wish()
            self.told.append(told)
            try:
                await self._call(told, wish)
            except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError):
                told.ending = "broken" if told.request_id else "unreachable"
            await asyncio.sleep(self.chance.uniform(0.1, 0.6))

    def _wish(self) -> tuple[Told, dict[str, Any]]:
        chance = self.chance
        is_stream = chance.random() < 0.6
        is_long = is_stream and chance.random() < 0.06
        tokens = chance.randint(300, 700) if is_long else chance.randint(1, 60)
        endpoint = "free" if chance.random() < 0.08 else "chat"
        told = Told(self.round, chance.choice(list(self.ports)), endpoint, is_stream, tokens)
        gap_s = chance.uniform(0.0, 0.08)
        return told, {"tokens": tokens, "gap_s": gap_s, "stream": is_stream}

    async def _call(self, told: Told, wish: dict[str, Any]) -> None:
        connection = await Connection.open(self.ports[told.gateway])
        try:
            message = {"role": "user", "content": json.dumps(wish)}
            body = {
                "model": "any",
                "messages": [message],
                "max_tokens": 800,
                "stream": told.streamed,
            }
            path = f"/{self.project}/{told.endpoint}/v1/chat/completions"
            await connection.send(request(path, body, key=self.key))
            heard = await connection.head()
            told.request_id = heard.header("x-xerotier-request-id") or ""
            told.status = heard.status
            if told.streamed and heard.status == 200 and self.chance.random() < 0.15:
                await self._leave(connection, heard)
                told.ending = "left"
                return
            await connection.rest(heard)
            _judge(told, heard)
        finally:
            connection.reset()

    async def _leave(self, connection: Connection, heard: Heard) -> None:
        for _ in range(self.chance.randint(0, 5)):
            if await connection.piece(heard) is None:
                return

    def endings(self, number: int) -> Iterator[str]:
        """Yield the endings of one round's requests."""
        return (told.ending for told in self.told if told.round == number)


def _judge(told: Told, heard: Heard) -> None:
    if not heard.complete:
        told.ending = "broken"
    elif heard.status != 200:
        told.ending, told.code = "refused", heard.error["code"]
    elif told.streamed and not heard.body.endswith(DONE):
        told.ending = "cut"
    else:
        told.ending = "finished"
