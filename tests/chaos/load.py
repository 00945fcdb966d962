"""Steady callers, streaming and not, some of whom leave; and the worker that answers them.

What a caller wants is written in its message, so that the worker's usage is known to the
caller: the third set of books beside PostgreSQL's and Valkey's.
"""

from __future__ import annotations

import json
from typing import Any

from tests.chaos.callers import LOST, Callers, Told
from tests.plane.caller import Connection, Heard
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


class Load(Callers[Told]):
    """The callers of one run, and all that they saw."""

    count = CALLERS

    async def call(self, gateway: str) -> Told:
        """Wish for so many tokens, and perhaps leave before they are there."""
        told, wish = self._wish(gateway)
        self.told.append(told)
        try:
            await self._call(told, wish)
        except LOST:
            told.lose()
        return told

    def _wish(self, gateway: str) -> tuple[Told, dict[str, Any]]:
        chance = self.chance
        is_stream = chance.random() < 0.6
        is_long = is_stream and chance.random() < 0.06
        tokens = chance.randint(300, 700) if is_long else chance.randint(1, 60)
        endpoint = "free" if chance.random() < 0.08 else "chat"
        told = Told(self.round, gateway, endpoint, is_stream, tokens)
        gap_s = chance.uniform(0.0, 0.08)
        return told, {"tokens": tokens, "gap_s": gap_s, "stream": is_stream}

    async def _call(self, told: Told, wish: dict[str, Any]) -> None:
        message = {"role": "user", "content": json.dumps(wish)}
        body = {"model": "any", "messages": [message], "max_tokens": 800, "stream": told.streamed}
        async with self.asked(told, body) as (connection, heard):
            if told.streamed and heard.status == 200 and self.chance.random() < 0.15:
                await self._leave(connection, heard)
                told.ending = "left"
                return
            await connection.rest(heard)
            told.end(heard)

    async def _leave(self, connection: Connection, heard: Heard) -> None:
        for _ in range(self.chance.randint(0, 5)):
            if await connection.piece(heard) is None:
                return
