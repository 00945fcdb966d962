"""PostgreSQL in words: the command lines and settings of a private server on a unix socket."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

USER = "xerotier"
DATABASE = "xerotier"

DURABLE: Mapping[str, str] = {"max_connections": "100", "shared_buffers": "64MB"}
DISPOSABLE: Mapping[str, str] = {
    **DURABLE,
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
}
"""For data that nobody misses after a crash: a test run."""


def initdb(programs: Path, cluster: Path, password_file: Path) -> list[str]:
    """Return the command that makes a cluster which lets nobody in without a password."""
    return [
        str(programs / "initdb"),
        f"--pgdata={cluster}",
        f"--username={USER}",
        f"--pwfile={password_file}",
        "--auth-local=scram-sha-256",
        "--auth-host=reject",
        "--encoding=UTF8",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--locale=C",
        "--no-instructions",
        "--no-sync",
    ]


def server(programs: Path, cluster: Path, sockets: Path, settings: Mapping[str, str]) -> list[str]:
    """Return the command of the server; it listens on no network address."""
    fixed = {
        "listen_addresses": "",
        "unix_socket_directories": str(sockets),
        "unix_socket_permissions": "0700",
        "timezone": "UTC",
        "log_timezone": "UTC",
    }
    options = [f"--{name}={value}" for name, value in {**fixed, **settings}.items()]
    return [str(programs / "postgres"), "-D", str(cluster), *options]


def url(sockets: Path, password: str, database: str = DATABASE) -> str:
    """Return the address of one database."""
    return f"postgresql://{USER}:{quote(password, safe='')}@/{database}?host={quote(str(sockets))}"


def is_ready(cluster: Path, pid: int) -> bool:
    """Say whether the server of this number takes connections.

    Its pid file tells: the number on the first line, the state on the eighth.
    """
    lines = _pid_file(cluster)
    return len(lines) > 7 and lines[0] == str(pid) and lines[7].strip() == "ready"  # noqa: PLR2004


def pid_of(cluster: Path) -> int | None:
    """Return the number of the server that says it has this cluster, dead or alive."""
    lines = _pid_file(cluster)
    return int(lines[0]) if lines and lines[0].isdigit() else None


def _pid_file(cluster: Path) -> list[str]:
    try:
        return (cluster / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return []
