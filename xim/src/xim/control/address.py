"""The platform's address as a person gives it; pure."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from xim.faults import Stop

JOIN_KEY = re.compile(r"xjk_[a-z0-9][a-z0-9_-]*_[A-Za-z0-9]{8,}")
NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?", re.IGNORECASE)


def read_url(text: str) -> str:
    """Return the platform's address without a slash at its end; raises ``Stop`` if it is none."""
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError as fault:
        raise Stop(f"--url is no address: {fault}.") from fault
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise Stop("--url must be the platform's address, as https://xerotier.example.com.")
    if parts.username or parts.query or parts.fragment:
        raise Stop("--url must be an address alone, without a user, a query or a fragment.")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    where = host if port is None else f"{host}:{port}"
    return f"{parts.scheme}://{where}{parts.path.rstrip('/')}"


def is_readable_on_the_way(url: str) -> bool:
    """Say whether what is sent there crosses a network unencrypted."""
    parts = urlsplit(url)
    if parts.scheme in {"https", "wss"} or parts.hostname == "localhost":
        return False
    try:
        return not ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return True


def read_join_key(text: str) -> str:
    """Return a join key; raises ``Stop`` for what can't be one."""
    key = text.strip()
    if not JOIN_KEY.fullmatch(key):
        raise Stop(
            "That is no join key: one begins with xjk_ and was shown once, when it was made. "
            "Make another on the project's page of machines."
        )
    return key


def read_name(text: str) -> str:
    """Return the name a machine is to have."""
    if not NAME.fullmatch(text):
        raise Stop("--name takes letters, digits, dots and dashes, 63 at most.")
    return text
