"""Public identifiers: a prefix that says what it is, and random base-62 characters.

They leave the house, so they are never derived from row numbers and never reused.
"""

from __future__ import annotations

import secrets
import string
import time

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
LENGTH = 12
"""Base-62 characters after the prefix: 71 bits, enough that a clash is not a case to handle."""


def mint(prefix: str) -> str:
    """Return a new identifier, such as ``proj_Ab3dE5fG7hJ9``."""
    return f"{prefix}_{random_base62(LENGTH)}"


def random_base62(length: int) -> str:
    """Return that many random base-62 characters from the system's secure source."""
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def project_id() -> str:
    """Mint a project's id."""
    return mint("proj")


def member_id() -> str:
    """Mint the id of a seat in a project."""
    return mint("mem")


def invitation_id() -> str:
    """Mint an invitation's id: its name in lists, never the token in its e-mail."""
    return mint("inv")


def endpoint_id() -> str:
    """Mint an endpoint's id."""
    return mint("ep")


def key_id() -> str:
    """Mint an API key's id: its public name in logs, never the key."""
    return mint("key")


def signing_key_id() -> str:
    """Mint the name of a key that signs passes."""
    return mint("sig")


def worker_id() -> str:
    """Mint a worker's id."""
    return mint("wrk")


def backend_id() -> str:
    """Mint the id of a project's backend."""
    return mint("bck")


def agent_id() -> str:
    """Mint an agent's id."""
    return mint("agt")


def agent_event_id() -> str:
    """Mint the id of something that happened to an agent."""
    return mint("aev")


def join_key_id() -> str:
    """Mint a join key's id: its public name, never the key."""
    return mint("jk")


def model_id() -> str:
    """Mint a catalog model's id."""
    return mint("mdl")


def operator_token_id() -> str:
    """Mint the name of an operator's token: never the token."""
    return mint("opt")


def request_id() -> str:
    """Mint a request's id: ``req_`` and a UUIDv7 (RFC 9562 §5.7), so ids sort by time."""
    milliseconds = time.time_ns() // 1_000_000
    number = (milliseconds << 80) | (7 << 76) | (secrets.randbits(12) << 64)
    number |= (2 << 62) | secrets.randbits(62)
    return f"req_{number:032x}"


def budget_id() -> str:
    """Mint a budget's id."""
    return mint("bud")
