"""The real PostgreSQL and Valkey of a test run: started once, private to it, gone afterwards.

A pytest plugin (``-p tests.servers``), because the servers must be there before Django's
settings are read. ``DATABASE_URL`` and ``VALKEY_URL`` replace them. Under xdist the workers
share PostgreSQL, each with a database of its own, and each has a Valkey of its own: channels
and functions belong to a whole Valkey server, so numbered databases would not part them.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import time
from collections.abc import Generator
from pathlib import Path
from typing import IO

import pytest

from xerotier_site import compiled
from xerotier_site.embedded import databases
from xerotier_site.embedded.faults import PartFailed
from xerotier_site.embedded.process import lesser_account

ENVIRONMENT = os.environ  # noqa: TID251 - written here, before the settings read it
GIVEN = "XEROTIER_TEST_VALKEY_GIVEN"

LOCK = "test-run.lock"
STALE_S = 60

_servers: list[databases.Server] = []
_folders: list[Path] = []
_locks: list[IO[str]] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the data plane be tested as it is served: compiled."""
    parser.addoption("--compiled", action="store_true", help="import the data plane's build")


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None]:
    """Start the servers before pytest-django, which runs inside this wrapper, reads settings."""
    options = early_config.known_args_namespace
    ENVIRONMENT["XEROTIER_ENV"] = "test"
    if getattr(options, "compiled", False) and not compiled.use():
        pytest.exit("There is no build of these sources: make compiled", returncode=3)
    if not (options.help or options.version or getattr(options, "collectonly", False)):
        _start()
    yield


def pytest_unconfigure() -> None:
    """Stop what was started here."""
    while _servers:
        _servers.pop().stop()
    while _folders:
        databases.remove(_folders.pop())
    while _locks:
        _locks.pop().close()


def _start() -> None:
    account = lesser_account()
    folder = databases.socket_folder(account)
    _sweep(folder.parent)
    _folders.append(folder)
    _locks.append((folder / LOCK).open("w"))
    fcntl.flock(_locks[-1], fcntl.LOCK_EX)
    ENVIRONMENT["XEROTIER_HOME"] = str(folder / "home")
    (folder / "home").mkdir()
    log = folder / "servers.log"
    with log.open("wb") as output:
        premises = databases.Premises(
            folder / "data", folder, account, durable=False, output=output.fileno()
        )
        try:
            _start_missing(premises)
        except PartFailed as fault:
            pytest.exit(f"{fault} It said: {log.read_text()}", returncode=3)


def _sweep(parent: Path) -> None:
    # Folders of runs that were killed: their lock is free. A fresh one may not have its yet.
    for lock in parent.glob(f"xt-*/{LOCK}"):
        with contextlib.suppress(OSError), lock.open("r+") as file:
            if time.time() - lock.stat().st_mtime > STALE_S:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                databases.remove(lock.parent)


def _start_missing(premises: databases.Premises) -> None:
    if "DATABASE_URL" not in ENVIRONMENT:
        postgres = databases.start_postgres(premises, secrets.token_hex(16))
        _servers.append(postgres)
        ENVIRONMENT["DATABASE_URL"] = postgres.url
    if "PYTEST_XDIST_WORKER" not in ENVIRONMENT and "VALKEY_URL" in ENVIRONMENT:
        ENVIRONMENT[GIVEN] = "1"
    if GIVEN not in ENVIRONMENT:
        valkey = databases.start_valkey(premises, secrets.token_hex(16))
        _servers.append(valkey)
        ENVIRONMENT["VALKEY_URL"] = valkey.url
