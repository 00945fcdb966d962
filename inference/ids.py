"""Identities of requests: made by us, ordered by time, never taken from a caller."""

from __future__ import annotations

import os

_VERSION_7 = 0x7 << 76
_VARIANT = 0x2 << 62


def request_id(now_s: float) -> str:
    """Return ``req_`` and a UUIDv7 (RFC 9562) of that moment, as 32 hex digits."""
    noise = int.from_bytes(os.urandom(10), "big")
    head = int(now_s * 1000) << 80 | _VERSION_7 | (noise >> 62 & 0xFFF) << 64
    return f"req_{head | _VARIANT | noise & 0x3FFFFFFFFFFFFFFF:032x}"


def decision_id(request_id: str) -> str:
    """Return the id of the routing decision of a request: the same digits, another name."""
    return "dec_" + request_id[4:]
