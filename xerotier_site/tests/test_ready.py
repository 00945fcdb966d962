"""Readiness is true both ways: down while PostgreSQL is away, and up when it is back."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections

from tests.clock import Stopwatch
from xerotier_site import env, ready
from xerotier_site.embedded import databases
from xerotier_site.embedded.process import lesser_account

BACK_WITHIN_S = 2.0


class Cluster:
    """A PostgreSQL of one's own, which may be stopped and started."""

    def __init__(self, premises: databases.Premises) -> None:
        self._premises = premises
        self._password = secrets.token_hex(16)
        self.start()

    def start(self) -> None:
        self.server = databases.start_postgres(self._premises, self._password)

    def stop(self) -> None:
        self.server.stop()

    def settings(self, usual: dict[str, Any]) -> dict[str, Any]:
        return {**usual, **env.database(self.server.url)}


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    account = lesser_account()
    folder = databases.socket_folder(account)
    with (folder / "log").open("wb") as output:
        premises = databases.Premises(
            folder / "data", folder, account, durable=False, output=output.fileno()
        )
        cluster = Cluster(premises)
        usual = connections.settings["default"]
        monkeypatch.setitem(connections.settings, "default", cluster.settings(usual))
        yield cluster
        cluster.stop()
    databases.remove(folder)


def test_database_that_was_restarted_is_ready_again_by_itself(cluster: Cluster) -> None:
    said = [ready.database_ready()]
    cluster.stop()
    said.append(ready.database_ready())
    cluster.start()
    back = Stopwatch()
    while ready.database_ready() is not None:
        assert back.seconds() < BACK_WITHIN_S
    said.append(ready.database_ready())

    assert said == [None, "PostgreSQL does not answer: OperationalError", None]


def test_empty_database_is_not_ready(cluster: Cluster) -> None:
    assert ready.migrations_ready() == "migrations can't be read: UndefinedTable"


@pytest.mark.django_db
def test_every_migration_of_this_code_is_known() -> None:
    assert ready.migrations_ready() is None


def test_database_that_hangs_is_told_in_time_and_holds_one_thread(cluster: Cluster) -> None:
    calls = []

    def check() -> str | None:
        calls.append(1)
        return ready.database_ready()

    async def ask() -> list[str | None]:
        patient = ready.Patient(check)
        said = [await patient()]
        os.kill(_pid_of(cluster), signal.SIGSTOP)
        hung = Stopwatch()
        said += [await patient() for _ in range(3)]
        assert hung.seconds() < 3 * ready.PATIENCE_S + 2
        os.kill(_pid_of(cluster), signal.SIGCONT)
        back = Stopwatch()
        while await patient() is not None:
            assert back.seconds() < BACK_WITHIN_S + ready.PATIENCE_S
            await asyncio.sleep(0.05)
        return said

    first, *hung = asyncio.run(ask())

    assert first is None
    assert all(hung)


def _pid_of(cluster: Cluster) -> int:
    return cluster.server.child.pid
