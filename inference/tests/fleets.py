"""A client under test, on both event loops, and the few moves every test makes with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from inference.contracts.entries import Worker
from inference.fleet.fleet import Fleet
from inference.fleet.http.client import HttpTransport
from inference.fleet.http.config import HttpConfig
from inference.fleet.ports import Call
from inference.http.lines import Headers, extra_lines
from inference.tests.asker import Asker
from inference.tests.upstream import Upstream

PATH = "/chat/completions"
LOOPS = [
    ("asyncio", {"use_uvloop": False}),
    ("asyncio", {"use_uvloop": True}),
]
"""Parameters of ``anyio_backend``: production runs on uvloop, the rest must not depend on it."""

PATIENCE_S = 5.0


def bearer(worker: Worker) -> bytes:
    """Take the credential as it stands."""
    return worker.credential.encode()


@contextmanager
def fleet(config: HttpConfig | None = None) -> Iterator[Fleet]:
    """Open a fleet of workers known by URL for a block."""
    client = Fleet([HttpTransport(bearer, config)])
    try:
        yield client
    finally:
        client.close()


def ask(
    client: Fleet, up: Upstream, body: bytes | None = b"{}", headers: Headers | None = None
) -> tuple[Call, Asker]:
    """Ask the worker of a scripted server."""
    asker = Asker()
    return client.ask(up.worker(), PATH, extra_lines(headers or []), body, asker), asker


async def fetch(client: Fleet, up: Upstream, body: bytes = b"{}") -> Asker:
    """Ask and wait for how it ends."""
    return await ask(client, up, body)[1].finished()


async def until(is_true: Callable[[], bool]) -> None:
    """Wait until something is true, for at most the patience of a test."""
    async with asyncio.timeout(PATIENCE_S):
        while not is_true():  # noqa: ASYNC110
            await asyncio.sleep(0.001)  # what is awaited has no event to wait for
