"""How a join key looks, and the only form in which we keep it.

``xjk_{project slug}_{43 base-62 characters}{6 of CRC-32}``, as an API key but for the
beginning. 256 random bits, so a plain SHA-256 is the right digest: no pepper has to outlive it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from common import ids
from inference.contracts.keys import checksum

PREFIX = "xjk"
PLATFORM = "platform"
"""Stands where the project's slug would, in keys of the operator."""
RANDOM_LENGTH = 43
HINT_LENGTH = 4


@dataclass(frozen=True, slots=True)
class JoinSecret:
    """A freshly minted join key, alive for one response."""

    plain: str = field(repr=False)
    digest: str = field(repr=False)
    hint: str


def mint(slug: str) -> JoinSecret:
    """Make a new join key for a project's slug; empty: the operator's."""
    body = f"{PREFIX}_{slug or PLATFORM}_{ids.random_base62(RANDOM_LENGTH)}"
    plain = body + checksum(body)
    hint = f"{PREFIX}_{slug or PLATFORM}_…{plain[-HINT_LENGTH:]}"
    return JoinSecret(plain=plain, digest=digest(plain), hint=hint)


def digest(plain: str) -> str:
    """Return the only form in which a join key is kept."""
    return hashlib.sha256(plain.encode()).hexdigest()


def is_whole(plain: str) -> bool:
    """Say whether this can be a join key: one that was cut or mistyped can't."""
    return plain.startswith(f"{PREFIX}_") and checksum(plain[:-6]) == plain[-6:]
