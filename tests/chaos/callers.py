"""Steady callers, whatever they ask: how a request is put, and what its caller saw of it."""

from __future__ import annotations

import asyncio
import random
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

from tests.plane.caller import PATIENCE_S, Connection, Heard, request
from tests.plane.workers import DONE

LOST = (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError)
"""What a request ends with whose connection is gone."""


@dataclass
class Told:
    """One request as its caller saw it.

    ``ending``: finished, cut (the stream said why), left, broken, refused, unreachable, hung,
    or running, while it still does.
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

    def lose(self) -> None:
        """End as a request whose connection is gone."""
        self.ending = "broken" if self.request_id else "unreachable"

    def end(self, heard: Heard) -> None:
        """End as the answer says."""
        if not heard.complete:
            self.ending = "broken"
        elif heard.status != 200:
            self.ending, self.code = "refused", heard.error["code"]
        elif self.streamed and not heard.body.endswith(DONE):
            self.ending = "cut"
        else:
            self.ending = "finished"


Seen = TypeVar("Seen", bound=Told)


@dataclass
class Callers(ABC, Generic[Seen]):
    """The callers of one run, and all that they saw."""

    project: str
    key: str
    ports: dict[str, int]
    chance: random.Random
    told: list[Seen] = field(default_factory=list)
    round: int = 0
    is_over: bool = False
    count: ClassVar[int]
    patience_s: ClassVar[float] = PATIENCE_S

    async def run(self) -> None:
        """Call until it is over."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self.count):
                group.create_task(self._call_for_ever())

    async def _call_for_ever(self) -> None:
        while not self.is_over:
            await self.call(self.chance.choice(list(self.ports)))
            await asyncio.sleep(self.chance.uniform(0.1, 0.6))

    @abstractmethod
    async def call(self, gateway: str) -> Seen:
        """Ask a gateway for something, and note what came of it."""

    @asynccontextmanager
    async def asked(
        self, told: Seen, body: dict[str, Any]
    ) -> AsyncIterator[tuple[Connection, Heard]]:
        """Put a request; the head of its answer is there, and the rest can be read."""
        connection = await Connection.open(self.ports[told.gateway])
        connection.patience_s = self.patience_s
        try:
            path = f"/{self.project}/{told.endpoint}/v1/chat/completions"
            await connection.send(request(path, body, key=self.key))
            heard = await connection.head()
            told.request_id = heard.header("x-xerotier-request-id") or ""
            told.status = heard.status
            yield connection, heard
        finally:
            connection.reset()

    def endings(self, number: int) -> Counter[str]:
        """Count the endings of one round's requests."""
        return Counter(told.ending for told in self.told if told.round == number)
