"""Valkey in words: the configuration of a private server on a unix socket."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

SOCKET = "valkey.sock"


def configuration(folder: Path, sockets: Path, password: str, *, durable: bool) -> str:
    """Return the text of its configuration file.

    The password stands in the file and not on the command line, where every user of the
    machine could read it. Nothing is ever evicted: these are counters, not a cache.
    """
    lines = [
        "port 0",
        f"unixsocket {sockets / SOCKET}",
        "unixsocketperm 700",
        f"requirepass {password}",
        f"dir {folder}",
        "databases 16",
        "maxmemory-policy noeviction",
        "always-show-logo no",
        'save ""',
        f"appendonly {'yes' if durable else 'no'}",
    ]
    return "\n".join(lines) + "\n"


def server(program: Path, configuration_file: Path) -> list[str]:
    """Return the command of the server."""
    return [str(program), str(configuration_file)]


def url(sockets: Path, password: str) -> str:
    """Return the address that ``xerotier_site.env`` and redis-py read."""
    return f"unix://:{quote(password, safe='')}@{sockets / SOCKET}"


def is_ready(sockets: Path) -> bool:
    """Say whether it listens; its socket appears when it does."""
    return (sockets / SOCKET).is_socket()
