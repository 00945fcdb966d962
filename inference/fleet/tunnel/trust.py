"""Whether whoever dials in is the agent it says: its token, and the key the token is bound to.

A token alone opens nothing: the gateway's challenge is signed with the key whose thumbprint it
carries. Keys of the platform and the agent's entry are read where grants are, so a control plane
that is away, or a Valkey, takes no link down.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeGuard

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from inference.contracts import pass_keys
from inference.contracts.agents import AUDIENCE, SKEW_S, TOKEN_S, AgentEntry
from inference.contracts.names import agent_key
from inference.contracts.pass_keys import PassKeys
from inference.http.jws import signed_claims

LABEL: Final = b"xerotier-agent-hello\0"
ID_MAX: Final = 64

OnFound = Callable[[Mapping[str, object], bool], None]
Resolve = Callable[[Sequence[str], OnFound], None]
"""Finds entries by name; says whether what is missing is surely nowhere (``gate.tables``)."""

GOOD, BAD, GONE, UNSURE = "good", "bad", "gone", "unsure"


@dataclass(frozen=True)
class Papers:
    """What a token says: which agent, bound to which key, until when (Unix seconds)."""

    agent: str
    thumb: str
    ends_at: float


@dataclass(frozen=True)
class Vouched:
    """What came of it: ``GOOD`` with papers and entry, or why not."""

    verdict: str
    papers: Papers | None = None
    entry: AgentEntry | None = None


def thumb_of(key: bytes) -> str:
    """Return the thumbprint of a raw public key."""
    return urlsafe_b64encode(hashlib.sha256(key).digest()).rstrip(b"=").decode()


def proof_of(gateway: str, nonce: bytes, token: str) -> bytes:
    """Return what an agent signs to answer a challenge."""
    return LABEL + gateway.encode() + b"\0" + nonce + hashlib.sha256(token.encode()).digest()


def is_signed(key: bytes, signature: bytes, signed: bytes) -> bool:
    """Say whether a raw Ed25519 key signed this."""
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, signed)
    except (InvalidSignature, ValueError):
        return False
    return True


def read_papers(token: str, keys: PassKeys, now: float) -> Papers | None:
    """Return what a token says; none if anything about it is wrong, and never why."""
    claims = signed_claims(token.encode(errors="replace"), keys.keys, now)
    if claims is None or claims.get("iss") != keys.issuer or claims.get("aud") != AUDIENCE:
        return None
    agent, thumb = claims.get("sub"), claims.get("jkt")
    if not isinstance(agent, str) or not isinstance(thumb, str) or not 0 < len(agent) <= ID_MAX:
        return None
    ends_at = _end_of(claims, now)
    return None if ends_at is None else Papers(agent, thumb, ends_at)


def _end_of(claims: dict[str, Any], now: float) -> float | None:
    issued, ends = claims.get("iat"), claims.get("exp")
    if not (_is_number(issued) and _is_number(ends)):
        return None
    is_sane = 0 < ends - issued <= TOKEN_S and issued - SKEW_S <= now < ends + SKEW_S
    return float(ends) if is_sane else None


def _is_number(value: object) -> TypeGuard[float]:
    return type(value) in (int, float)


class Trust:
    """Vouches for agents. ``clock`` gives Unix seconds."""

    def __init__(self, resolve: Resolve, clock: Callable[[], float]) -> None:
        self._resolve = resolve
        self._clock = clock

    def vouch(self, token: str, key: bytes, then: Callable[[Vouched], None]) -> None:
        """Judge a token that came with a key. ``then`` is called once, perhaps at once."""

        def on_keys(found: Mapping[str, object], is_sure: bool) -> None:
            keys = found.get(pass_keys.NAME)
            if not isinstance(keys, PassKeys):
                then(Vouched(BAD if is_sure else UNSURE))
                return
            papers = read_papers(token, keys, self._clock())
            if papers is None or papers.thumb != thumb_of(key):
                then(Vouched(BAD))
                return
            self.entry_of(
                papers.agent, lambda verdict, entry: then(Vouched(verdict, papers, entry))
            )

        self._resolve([pass_keys.NAME], on_keys)

    def entry_of(self, agent: str, then: Callable[[str, AgentEntry | None], None]) -> None:
        """Find what is published of an agent."""
        name = agent_key(agent)

        def on_entry(found: Mapping[str, object], is_sure: bool) -> None:
            entry = found.get(name)
            if not isinstance(entry, AgentEntry):
                then(BAD if is_sure else UNSURE, None)
            else:
                then(GONE if entry.gone else GOOD, entry)

        self._resolve([name], on_entry)
