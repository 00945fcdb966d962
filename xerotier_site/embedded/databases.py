"""Both databases, made and started: what ``make run`` and the test suite share."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from xerotier_site.embedded import binaries, postgres, valkey
from xerotier_site.embedded.faults import PartFailed
from xerotier_site.embedded.process import Account, Command, is_alive, run, spawn, stop, wait_until


@dataclass(slots=True)
class Premises:
    """Where servers keep their data and sockets, whose they are, and how careful they are."""

    data: Path
    sockets: Path
    account: Account | None
    durable: bool = True
    output: int | None = subprocess.PIPE
    shelf: Path = field(init=False)

    def __post_init__(self) -> None:
        self.shelf = self.data / "programs"

    def folder(self, name: str) -> Path:
        """Return a private folder of the servers' own."""
        folder = self.data / name
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.account:
            self.account.own(folder)
        return folder

    def secret_file(self, path: Path, content: str) -> Path:
        """Write a file that only the servers read."""
        path.touch(mode=0o600)
        path.chmod(0o600)
        path.write_text(content)
        if self.account:
            self.account.own(path)
        return path


def socket_folder(account: Account | None) -> Path:
    """Make a private folder for sockets, short: a socket's path may have 107 bytes."""
    for parent in (Path(tempfile.gettempdir()), Path("/tmp")):  # noqa: S108 - made by mkdtemp
        if len(str(parent)) < 60 and binaries.is_open_to(parent, account):  # noqa: PLR2004
            folder = Path(tempfile.mkdtemp(prefix="xt-", dir=parent))
            if account:
                account.own(folder)
            return folder
    raise PartFailed("There is no temporary folder that is short enough for unix sockets.")


def remove(folder: Path) -> None:
    """Delete a folder of ours, whatever is left in it."""
    shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Server:
    """A running database: its process, its address, and how it is asked to stop."""

    name: str
    child: subprocess.Popen[bytes]
    url: str
    farewell: signal.Signals

    def stop(self, patience_s: float = 5) -> None:
        """End it in good order if there is time."""
        stop(self.child, self.farewell, patience_s=patience_s)


def start_postgres(premises: Premises, password: str) -> Server:
    """Start PostgreSQL, made first if it has never been."""
    programs = binaries.reachable_postgres(premises.account, premises.shelf)
    cluster = _cluster(premises, programs, password)
    settings = postgres.DURABLE if premises.durable else postgres.DISPOSABLE
    _outwait(cluster)
    command = Command(
        postgres.server(programs, cluster, premises.sockets, settings),
        account=premises.account,
        folder=cluster,
        orphan_signal=signal.SIGQUIT,  # It then ends its own children before itself.
    )
    child = spawn(command, output=premises.output)
    wait_until(lambda: postgres.is_ready(cluster, child.pid), child=child, what="PostgreSQL")
    _ensure_database(premises.sockets, password)
    url = postgres.url(premises.sockets, password)
    return Server("PostgreSQL", child, url, farewell=signal.SIGINT)


def _cluster(premises: Premises, programs: Path, password: str) -> Path:
    home = premises.folder("postgres")
    cluster = home / "18"
    if not cluster.is_dir():
        half = home / "half"
        remove(half)
        password_file = premises.secret_file(home / "password", password)
        argv = postgres.initdb(programs, half, password_file)
        try:
            run(Command(argv, account=premises.account, folder=home), what="Making the database")
        finally:
            password_file.unlink()
        half.rename(cluster)
    return cluster


def _outwait(cluster: Path) -> None:
    # After a kill -9 of the supervisor the server before us may still be on its way out.
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        pid = postgres.pid_of(cluster)
        if pid is None or not is_alive(pid):
            return
        time.sleep(0.05)


def _ensure_database(sockets: Path, password: str) -> None:
    address = postgres.url(sockets, password, database="postgres")
    with psycopg.connect(address, autocommit=True) as connection:
        known = connection.execute(
            "SELECT 1 FROM pg_database WHERE datname = %s", [postgres.DATABASE]
        ).fetchone()
        if known is None:
            connection.execute(f"CREATE DATABASE {postgres.DATABASE}")


def start_valkey(
    premises: Premises, password: str, users: Mapping[str, str] | None = None
) -> Server:
    """Start Valkey. The address is that of the one who may do everything."""
    program = binaries.reachable_valkey(premises.account, premises.shelf)
    folder = premises.folder("valkey")
    text = valkey.configuration(
        folder, premises.sockets, password, durable=premises.durable, users=users
    )
    file = premises.secret_file(folder / "valkey.conf", text)
    command = Command(valkey.server(program, file), account=premises.account, folder=folder)
    child = spawn(command, output=premises.output)
    wait_until(lambda: valkey.is_ready(premises.sockets), child=child, what="Valkey")
    return Server("Valkey", child, valkey.url(premises.sockets, password), signal.SIGTERM)
