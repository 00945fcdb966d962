"""Passes: short-lived JWTs that open what a key would, without a look-up (RFC 7519, RFC 8037).

A browser or a trusted proxy shows one instead of an API key. The platform signs it with
Ed25519; the public keys, issuer and audience lie in Valkey as ``PassKeys``. What is verified
becomes a ``Grant``, so everything behind the gate treats it as a key's.

How it is signed is in ``http.jws``. Here, too, the rules are on purpose narrower than the
standard: all claims are required.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from typing import Any

from inference.contracts.entries import Grant
from inference.contracts.pass_keys import LIFE_S, SKEW_S, PassKeys
from inference.http.jws import PARTS, signed_claims

REMEMBERED = 4096


def looks_like_pass(token: bytes) -> bool:
    """Say whether this bearer has the form of a pass, and so is no API key."""
    return token.startswith(b"eyJ") and token.count(b".") == PARTS - 1


class PassBook:
    """Verified passes of one process, so that each signature is checked once.

    What failed is not remembered: nobody can push good passes out with bad ones.
    """

    def __init__(self, size: int = REMEMBERED) -> None:
        self._size = size
        self._version = -1
        self._grants: OrderedDict[bytes, Grant] = OrderedDict()

    def read(self, token: bytes, keys: PassKeys, now: float) -> Grant | None:
        """Return what a pass grants now; none if it is not good. ``now`` is Unix seconds."""
        if keys.version != self._version:
            self._grants.clear()
            self._version = keys.version
        grant = self._grants.get(token)
        if grant is None:
            grant = verify(token, keys, now)
            if grant is not None:
                self._remember(token, grant)
        return grant if grant is not None and now < (grant.expires_at or 0) else None

    def _remember(self, token: bytes, grant: Grant) -> None:
        self._grants[token] = grant
        while len(self._grants) > self._size:
            self._grants.popitem(last=False)


def verify(token: bytes, keys: PassKeys, now: float) -> Grant | None:
    """Return what a pass grants; none if anything about it is wrong, and never why."""
    claims = signed_claims(token, keys.keys, now)
    return None if claims is None else _grant_of(claims, keys, now)


def _grant_of(claims: dict[str, Any], keys: PassKeys, now: float) -> Grant | None:
    if claims.get("iss") != keys.issuer or claims.get("aud") != keys.audience:
        return None
    times = [claims.get(name) for name in ("iat", "nbf", "exp")]
    if not all(type(moment) in (int, float) for moment in times):
        return None
    if not _is_in_time(times, now):
        return None
    words = [claims.get(name) for name in ("sub", "jti", "by", "project")]
    scopes, endpoint = claims.get("scopes"), claims.get("endpoint")
    if not all(isinstance(word, str) and word for word in words) or not _is_words(scopes):
        return None
    behind = claims.get("grant") or ""
    if not isinstance(behind, str) or not isinstance(endpoint or "", str):
        return None
    return Grant(
        version=keys.version,
        key_id=str(words[2])[:32],
        project=str(words[3]),
        scopes=tuple(scopes or ()),
        expires_at=float(times[2] or 0) + SKEW_S,
        endpoint=endpoint,
        behind=behind,
    )


def held_to(grant: Grant, key: Grant | None) -> Grant | None:
    """Return what a pass grants under the rules its key has by now; none without that key.

    The key's limits count it, its addresses bind it, and it ends when the key does.
    """
    if key is None or key.gone or key.project != grant.project:
        return None
    ends = min(end for end in (grant.expires_at, key.expires_at) if end is not None)
    return replace(
        grant,
        expires_at=ends,
        ip_allow=key.ip_allow,
        ip_block=key.ip_block,
        **Grant.figures_of(key),
    )


def _is_in_time(times: list[Any], now: float) -> bool:
    issued, begins, ends = times
    lives = 0 < ends - issued <= LIFE_S and begins <= ends
    return bool(lives and issued - SKEW_S <= now and begins - SKEW_S <= now < ends + SKEW_S)


def _is_words(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(word, str) for word in value)
