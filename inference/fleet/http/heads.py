"""Heads as they go out, and how an answer's body is framed: pure functions over bytes.

Nothing is copied and stripped. What a worker may learn of us is on a list, and so is what a
caller may learn of the worker (``fleet.allowed_headers``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from inference.http.lines import Headers

_VISIBLE: Final = re.compile(rb"[!-~]*")
_PRINTABLE: Final = re.compile(rb"[ -~\x80-\xff]*")


@dataclass(frozen=True)
class Origin:
    """Where connections go: the part of a URL that pools are kept by."""

    host: str
    port: int
    secure: bool

    @property
    def authority(self) -> bytes:
        """Return the value of ``Host``: the default port is left out, IPv6 is in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = self.port == (443 if self.secure else 80)
        return (host if usual else f"{host}:{self.port}").encode("ascii")


def parse_base(url: str) -> tuple[Origin, bytes]:
    """Split a worker's base URL into its origin and its path without a trailing slash.

    Raises ``ValueError`` for anything but ``http(s)://host[:port][/path]``.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("not an http(s) URL")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("a worker's URL is a scheme, a host, a port and a path")
    secure = parts.scheme == "https"
    host = parts.hostname.encode("idna").decode("ascii") if parts.hostname else ""
    port = parts.port or (443 if secure else 80)
    return Origin(host, port, secure), _target(parts.path.rstrip("/"))


def request_head(
    authority: bytes, target: bytes, credential: bytes, method: bytes = b"POST"
) -> bytes:
    """Write the part of a head that is the same for every request to a path of a worker."""
    bearer = b"Authorization: Bearer %b\r\n" % _value(credential) if credential else b""
    return (
        b"%b %b HTTP/1.1\r\nHost: %b\r\nAccept-Encoding: identity\r\n%b"
        % (method, target, authority, bearer)
    )  # fmt: skip


def join_path(base: bytes, path: str) -> bytes:
    """Put an operation's path behind the base path of a worker."""
    return base + _target(path)


def framing(raw: Headers) -> tuple[bool, str]:
    """Say whether a head frames its body, and what is wrong with it (empty if nothing).

    A transfer coding other than ``chunked`` would have to be undone by us, and we undo
    nothing (RFC 9112 section 6.1).
    """
    framed = False
    for name, value in raw:
        lower = name.lower()
        if lower == b"content-length":
            framed = True
        elif lower == b"transfer-encoding":
            if value.strip().lower() != b"chunked":
                return True, "unknown transfer coding"
            framed = True
    return framed, ""


def _target(path: str) -> bytes:
    target = path.encode("ascii")
    if not _VISIBLE.fullmatch(target):
        raise ValueError("a path must not contain spaces or control characters")
    return target


def _value(credential: bytes) -> bytes:
    if not _PRINTABLE.fullmatch(credential):
        raise ValueError("a credential must not contain control characters")
    return credential
