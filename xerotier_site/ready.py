"""Is the control plane ready? Each check answers with a sentence, or nothing if all is well.

Checks of PostgreSQL use connections of their own, one for each question: what serves requests
may be broken without anybody noticing until the next one, and would then answer for a database
that is long back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache

import psycopg
from django.db import connections
from django.db.migrations.loader import MigrationLoader

PATIENCE_S = 1.0
_STATEMENT_MS = int(PATIENCE_S * 1000)


def database_ready() -> str | None:
    """Say why PostgreSQL can't be used."""
    try:
        with _connect() as connection:
            connection.execute("SELECT 1")
    except psycopg.Error as fault:
        return f"PostgreSQL does not answer: {type(fault).__name__}"
    return None


def migrations_ready() -> str | None:
    """Say how many migrations are still to be applied."""
    try:
        with _connect() as connection:
            rows = connection.execute("SELECT app, name FROM django_migrations").fetchall()
    except psycopg.Error as fault:
        return f"migrations can't be read: {type(fault).__name__}"
    waiting = _written() - {(str(app), str(name)) for app, name in rows}
    return f"{len(waiting)} migrations are not applied" if waiting else None


class Patient:
    """Asks in a thread of its own, and waits for ``PATIENCE_S``, however long the answer takes.

    While one question is open none is asked beside it: a store that hangs holds one thread.
    """

    def __init__(self, check: Callable[[], str | None]) -> None:
        self._check = check
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="ready")
        self._open: Future[str | None] | None = None

    async def __call__(self) -> str | None:
        """Ask, and say so if there is no answer."""
        if self._open is None or self._open.done():
            self._open = self._threads.submit(self._check)
        answer = asyncio.wrap_future(self._open)
        done, _ = await asyncio.wait([answer], timeout=PATIENCE_S)
        return answer.result() if done else f"no answer within {PATIENCE_S:g} s"


def _connect() -> psycopg.Connection:
    said = connections.settings["default"]
    return psycopg.connect(
        dbname=said["NAME"],
        user=said["USER"],
        password=said["PASSWORD"],
        host=said["HOST"],
        port=said["PORT"] or None,
        autocommit=True,
        connect_timeout=int(PATIENCE_S),
        options=f"-c statement_timeout={_STATEMENT_MS}",
    )


@cache
def _written() -> frozenset[tuple[str, str]]:
    """Name the migrations of this code. They don't change while it runs."""
    return frozenset(MigrationLoader(None).graph.nodes)
