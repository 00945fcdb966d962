"""Whoever asks a worker: records what is pushed, in order, and lets a test wait for it."""

from __future__ import annotations

import asyncio

from inference.fleet.ports import WorkerFailed
from inference.http.lines import Headers

PATIENCE_S = 5.0


class Asker:
    """An ``Answer`` that remembers."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: Headers = []
        self.pieces: list[bytes] = []
        self.failure: WorkerFailed | None = None
        self.ended = False
        self.calls: list[str] = []
        self.drained = asyncio.Event()
        self.over = asyncio.Event()
        self._news = asyncio.Event()

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)

    def on_head(self, status: int, headers: Headers) -> None:
        self.status, self.headers = status, headers
        self._note("head")

    def on_data(self, data: bytes) -> None:
        self.pieces.append(data)
        self._note("data")

    def on_end(self) -> None:
        self.ended = True
        self._note("end")
        self.over.set()

    def on_fail(self, failure: WorkerFailed) -> None:
        self.failure = failure
        self._note("fail")
        self.over.set()

    def on_drain(self) -> None:
        self.drained.set()

    async def finished(self) -> Asker:
        """Wait for the end or the failure."""
        async with asyncio.timeout(PATIENCE_S):
            await self.over.wait()
        return self

    async def heard(self, wanted: bytes) -> Asker:
        """Wait until the body so far contains something."""
        async with asyncio.timeout(PATIENCE_S):
            while wanted not in self.body:
                self._news.clear()
                await self._news.wait()
        return self

    def _note(self, call: str) -> None:
        self.calls.append(call)
        self._news.set()
