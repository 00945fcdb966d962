"""Valkey in words: the configuration of a private server on a unix socket."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

SOCKET = "valkey.sock"

USERS = {
    "plane": (
        "~{s* ~xt:reaper ~xt:refusals ~xt:decisions ~gateways ~sighting:* ~links ~link:*"
        " &xt:changes &xt:sight %R~pools %R~grant:* %R~route:* %R~pool:* %R~agent:* %R~jwks"
        " +@read +@write +@connection +time +fcall +subscribe +info -function"
        " -@dangerous -eval -evalsha -publish +info +function|load"
        " (&xt:sight +publish)"
    ),
    "control": "~* &* +@all -@admin -@dangerous -function +info",
}
"""What each plane may do (``docs/install.md`` says the same for a server of one's own).

A gateway, which reads strangers' bytes all day, gives itself no key, tells nobody of changes (and
other gateways only what it has where), and sees neither sessions' counts nor tasks. The control
plane changes no server and none of the functions that decide about money.
"""


def configuration(
    folder: Path,
    sockets: Path,
    password: str,
    *,
    durable: bool,
    users: Mapping[str, str] | None = None,
) -> str:
    """Return the text of its configuration file; ``users`` have a password each (see ``USERS``).

    Passwords stand in the file and not on the command line, where every user of the
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
        *(f"user {name} on >{secret} {USERS[name]}" for name, secret in (users or {}).items()),
    ]
    return "\n".join(lines) + "\n"


def server(program: Path, configuration_file: Path) -> list[str]:
    """Return the command of the server."""
    return [str(program), str(configuration_file)]


def url(sockets: Path, password: str, user: str = "") -> str:
    """Return the address that ``xerotier_site.env`` and redis-py read."""
    return f"unix://{user}:{quote(password, safe='')}@{sockets / SOCKET}"


def is_ready(sockets: Path) -> bool:
    """Say whether it listens; its socket appears when it does."""
    return (sockets / SOCKET).is_socket()
