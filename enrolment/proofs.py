"""Proofs of possession: what a machine signs with the Ed25519 key it made (RFC 8032).

Each thing that is proven has a label of its own, so a signature for one opens no other.
"""

from __future__ import annotations

import base64
import binascii
import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

ENROL, REFRESH, LEAVE = (
    f"xerotier-agent-{act}\0".encode() for act in ("enroll", "refresh", "leave")
)
KEY_BYTES = 32


def decoded(text: str) -> bytes | None:
    """Return what base64url without padding stands for; none if it is none, or not canonical."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (ValueError, binascii.Error):
        return None
    return raw if encoded(raw) == text else None


def encoded(raw: bytes) -> str:
    """Return bytes as base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def is_key(text: str) -> bool:
    """Say whether this is a raw Ed25519 public key."""
    raw = decoded(text)
    return raw is not None and len(raw) == KEY_BYTES


def thumbprint(public_key: str) -> str:
    """Return what a token names a key by: SHA-256 of its raw bytes, base64url."""
    return encoded(hashlib.sha256(decoded(public_key) or b"").digest())


def of_joining(join_key: str) -> bytes:
    """Return what is signed by a machine that joins."""
    return ENROL + hashlib.sha256(join_key.encode()).digest()


def of_agent(label: bytes, agent: str, at: float) -> bytes:
    """Return what is signed by a machine that is enrolled, at a Unix time in seconds."""
    return label + agent.encode() + b"\0" + str(int(at * 1000)).encode()


def is_signed(public_key: str, signature: str, message: bytes) -> bool:
    """Say whether the key made this signature of the message."""
    key, raw = decoded(public_key), decoded(signature)
    if key is None or raw is None or len(key) != KEY_BYTES:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(raw, message)
    except (InvalidSignature, ValueError):
        return False
    return True
