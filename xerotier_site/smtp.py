"""The mail server, as one URL says it: pure, so that a mistake is told in one sentence."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

PORTS = {"smtps": 465, "smtp": 587}
PLAIN_PORT = 25
FORM = "smtps://user:password@host:465 or smtp://user:password@host:587"


class Malformed(ValueError):
    """The URL names no mail server that could be used; the message says why, without secrets."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where mail is handed over, and how it is kept from others on the way."""

    host: str
    port: int
    user: str
    password: str
    is_tls: bool
    is_starttls: bool


def read(url: str) -> Server:
    """Read ``smtps://`` (TLS from the first byte) or ``smtp://`` (STARTTLS, unless told otherwise).

    ``smtp://host?starttls=no`` speaks in the clear: to this machine, or without a password.
    Raises ``Malformed``.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as fault:
        raise Malformed(f"the port must be a number; give {FORM}") from fault
    if parts.scheme not in PORTS or not host or parts.path not in ("", "/"):
        raise Malformed(f"give {FORM}")
    is_starttls = _starttls(parts.scheme, parts.query)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if bool(user) != bool(password):
        raise Malformed("give user and password, or neither; escape @ : / % in them as in any URL")
    is_tls = parts.scheme == "smtps"
    if password and not (is_tls or is_starttls or _is_here(host)):
        raise Malformed("a password may not travel in the clear: use smtps:// or leave STARTTLS on")
    usual = PORTS[parts.scheme] if is_tls or is_starttls else PLAIN_PORT
    return Server(host, port or usual, user, password, is_tls, is_starttls)


def _starttls(scheme: str, query: str) -> bool:
    options = dict(parse_qsl(query, keep_blank_values=True))
    said = options.pop("starttls", "no" if scheme == "smtps" else "yes")
    if options or said not in ("yes", "no"):
        raise Malformed("the only option is starttls=yes or starttls=no")
    if scheme == "smtps" and said == "yes":
        raise Malformed("smtps is encrypted from the start: leave starttls out, or use smtp://")
    return said == "yes"


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
