"""Workers that do what a test scripts, whatever carries the requests to them.

A module that can ``carry`` is one way to reach them; tests of what every transport keeps to
run over all of them.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from inference.contracts.entries import Worker
from inference.fleet.fleet import Fleet
from inference.fleet.ports import Call
from inference.tests.asker import Asker
from inference.tests.fleets import PATH


class Turn(ABC):
    """One request as the worker sees it. ``said``: pieces that were taken from it so far."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.gone = asyncio.Event()
        self.said = 0

    async def asked(self) -> bytes:
        """Take the whole request, and return its body."""
        body = await self.take()
        self.bodies.append(body)
        return body

    @abstractmethod
    async def take(self) -> bytes:
        """Read the body to its end."""

    @abstractmethod
    async def say(self, *pieces: bytes) -> None:
        """Answer 200, if that is not done, and then these."""

    @abstractmethod
    async def finish(self) -> None:
        """Say that this was all."""

    @abstractmethod
    async def break_off(self) -> None:
        """Die."""

    @abstractmethod
    async def left(self) -> None:
        """Wait until whoever asked is gone."""


Script = Callable[[Turn], Awaitable[None]]


@dataclass
class Stage:
    """A fleet of one worker that follows a script, and one that is not there."""

    fleet: Fleet
    worker: Worker
    absent: Worker
    turns: list[Turn] = field(default_factory=list)

    @property
    def bodies(self) -> list[bytes]:
        """Return what reached the worker."""
        return [body for turn in self.turns for body in turn.bodies]

    @property
    def is_quiet(self) -> bool:
        """Say whether nothing is open and nothing in flight."""
        running = self.fleet.in_flight(self.worker.worker_id)
        return not running and not self.fleet.stats().open_connections

    def ask(self, body: bytes | None = b"{}", asker: Asker | None = None) -> tuple[Call, Asker]:
        """Ask the worker."""
        asker = asker or Asker()
        return self.fleet.ask(self.worker, PATH, b"", body, asker), asker


Carry = Callable[[Script], AbstractAsyncContextManager[Stage]]
