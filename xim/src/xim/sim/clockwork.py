"""A batch under a clock: steps take their time, and requests hear of each token."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from random import Random

from xim.sim.batch import Batch, Request, Speed

JITTER = 0.03


class Clockwork:
    """Runs one batch, as fast as ``scale`` says: 0.1 is ten times as fast."""

    def __init__(self, speed: Speed, *, scale: float, dice: Random) -> None:
        self.batch = Batch(speed)
        self._scale = scale
        self._dice = dice
        self._work = asyncio.Event()
        self._heard: dict[Request, asyncio.Event] = {}

    async def run(self) -> None:
        """Step for ever; sleep while there is nothing to do."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            step = self.batch.step()
            if step is None:
                self._work.clear()
                await self._work.wait()
                due = loop.time()
                continue
            jitter = self._dice.uniform(1 - JITTER, 1 + JITTER)
            due += step.seconds * self._scale * jitter
            await asyncio.sleep(due - loop.time())
            for request in step.made:
                if request in self._heard:
                    self._heard[request].set()

    async def tokens(self, request: Request, *, computes_on: bool) -> AsyncIterator[int]:
        """Return how many tokens are there, each time there are more.

        Whoever stops listening frees the machine, unless it computes on.
        """
        heard = self._heard[request] = asyncio.Event()
        self.batch.arrive(request)
        self._work.set()
        given = 0
        try:
            while given < request.output:
                await heard.wait()
                heard.clear()
                if request.made > given:
                    given = request.made
                    yield given
        finally:
            del self._heard[request]
            if not (computes_on or request.is_done):
                self.batch.leave(request)
