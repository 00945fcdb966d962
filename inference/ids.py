"""Identities of requests: made by us, ordered by time, never taken from a caller."""

from __future__ import annotations

import os
from random import Random

_VERSION_7 = 0x7 << 76
_VARIANT = 0x2 << 62


# An id is a name and no secret, so it need not cost a system call. A fork seeds anew:
# two processes must not count through the same numbers.
_random = Random(os.urandom(32))  # noqa: S311
os.register_at_fork(after_in_child=lambda: _random.seed(os.urandom(32)))


def request_id(now_s: float) -> str:
    """Return ``req_`` and a UUIDv7 (RFC 9562) of that moment, as 32 hex digits."""
    noise = _random.getrandbits(74)
    head = int(now_s * 1000) << 80 | _VERSION_7 | (noise >> 62) << 64
    return f"req_{head | _VARIANT | noise & 0x3FFFFFFFFFFFFFFF:032x}"


def decision_id(request_id: str) -> str:
    """Return the id of the routing decision of a request: the same digits, another name."""
    return "dec_" + request_id[4:]
