"""What both planes must agree on about passes.

The control plane signs passes and publishes whose signatures are good; the data plane reads
that and verifies.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

NAME = "jwks"
"""The entry in Valkey; ``gone`` is never true of it."""
AUDIENCE = "xerotier-inference"
LIFE_S = 300
"""How long a pass lives; one that claims more is refused, whoever signed it."""
SKEW_S = 30
"""How far two clocks may be apart."""


@dataclass(frozen=True)
class PassKey:
    """A public Ed25519 key that signs passes: its name, its 32 bytes in base64url, its end."""

    kid: str
    x: str
    until: float | None = None


@dataclass(frozen=True)
class PassKeys:
    """Whose passes are good: the keys in force, and what ``iss`` and ``aud`` must say."""

    version: int
    issuer: str
    audience: str
    keys: tuple[PassKey, ...]
    gone: bool = False


def dump(keys: PassKeys) -> str:
    """Write it as JSON."""
    return json.dumps(asdict(keys), separators=(",", ":"))


def load(text: str | bytes) -> PassKeys:
    """Read it back, dropping what is not known yet. Raises ``ValueError``, ``KeyError`` or so."""
    raw: dict[str, Any] = json.loads(text)
    keys = tuple(PassKey(key["kid"], key["x"], key.get("until")) for key in raw["keys"])
    return PassKeys(raw["version"], raw["issuer"], raw["audience"], keys)
