"""How an API key looks, and the only form in which we keep it.

``xero_{project slug}_{43 base-62 characters}{6 base-62 characters of CRC-32}``: 256
random bits, so a fast keyed hash is the right digest; the checksum lets scanners and the
gateway tell a typo from a key without a look-up.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings

from common import ids
from inference.contracts.keys import checksum, digest_of, is_key

PREFIX = "xero"
RANDOM_LENGTH = 43
HINT_LENGTH = 4
ACTIVE_PEPPERS = 2
"""Digests the door computes for a key at most: the newest pepper's, then the one before."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A freshly minted secret, alive for one response."""

    plain: str
    digest: str
    pepper: str
    hint: str

    def __repr__(self) -> str:
        return f"Secret({self.hint})"


@dataclass(frozen=True, slots=True)
class Pepper:
    """A server-side key of the digests, with the name that digest rows carry."""

    name: str
    value: bytes

    def __repr__(self) -> str:
        return f"Pepper({self.name})"


def peppers() -> tuple[Pepper, ...]:
    """Return the peppers in force, newest first; those after the second are not."""
    pairs = (pair.partition(":") for pair in settings.PEPPERS[:ACTIVE_PEPPERS])
    return tuple(Pepper(name, value.encode()) for name, _, value in pairs)


def mint(project_slug: str) -> Secret:
    """Make a new secret for a project."""
    body = f"{PREFIX}_{project_slug}_{ids.random_base62(RANDOM_LENGTH)}"
    plain = body + checksum(body)
    pepper = peppers()[0]
    return Secret(
        plain=plain,
        digest=digest_of(plain.encode(), pepper.value),
        pepper=pepper.name,
        hint=f"{PREFIX}_{project_slug}_…{plain[-HINT_LENGTH:]}",
    )


def digests(plain: str) -> list[str]:
    """Return a shown key's digest under each configured pepper; none if the checksum is off."""
    if not is_key(plain):
        return []
    return [digest_of(plain.encode(), pepper.value) for pepper in peppers()]
