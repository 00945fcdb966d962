"""Signed claims (JWS, RFC 7515; Ed25519, RFC 8037): the part that all our tokens have in common.

Every rule here is on purpose narrower than the standard: one algorithm, no ``crit``, nothing
about how to verify is taken from the token, and one text for one value.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from inference.contracts.pass_keys import PassKey

ALGORITHM = "EdDSA"
MAX_LENGTH = 4096
PARTS = 3


def signed_claims(token: bytes, keys: Sequence[PassKey], now: float) -> dict[str, Any] | None:
    """Return what a token claims if one of these keys, still in force, signed it; else none."""
    parts = token.split(b".")
    if len(token) > MAX_LENGTH or len(parts) != PARTS:
        return None
    try:
        head, claims, signature = _object(parts[0]), _object(parts[1]), _decode(parts[2])
    except (ValueError, RecursionError):
        return None
    key = _key_of(head, keys, now)
    if key is None or not _is_signed(key, parts[0] + b"." + parts[1], signature):
        return None
    return claims


def _key_of(head: dict[str, Any], keys: Sequence[PassKey], now: float) -> PassKey | None:
    # The algorithm is ours, never the token's choice; an extension we don't know is refused.
    if head.get("alg") != ALGORITHM or head.get("typ", "JWT") != "JWT" or "crit" in head:
        return None
    named = (key for key in keys if key.kid == head.get("kid"))
    key = next(named, None)
    return key if key is not None and (key.until is None or now < key.until) else None


def _is_signed(key: PassKey, signed: bytes, signature: bytes) -> bool:
    try:
        public = Ed25519PublicKey.from_public_bytes(_decode(key.x.encode()))
        public.verify(signature, signed)
    except (InvalidSignature, ValueError):
        return False
    return True


def _object(part: bytes) -> dict[str, Any]:
    value = json.loads(_decode(part))
    if not isinstance(value, dict):
        raise ValueError("no JSON object")  # noqa: TRY004 - one kind of refusal
    return value


def _decode(part: bytes) -> bytes:
    """Read base64url without padding, strictly: one text for one value (RFC 7515 §2)."""
    raw = base64.b64decode(part + b"=" * (-len(part) % 4), b"-_", validate=True)
    if base64.urlsafe_b64encode(raw).rstrip(b"=") != part:
        raise binascii.Error("not canonical")
    return raw
