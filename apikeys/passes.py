"""Passes: JWTs of five minutes that open inference without a long-lived key.

The signing keys rotate by themselves. A new key is published before it signs, so that nobody
meets a pass whose key they have not heard of; an old one stays published until its last pass
has run out. Private halves are sealed with the platform's keyring. A pass that a key asked for
names that key's digest: gateways hold it to the key's quota, addresses and end.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.db import connection, transaction
from django.db.models import F

from apikeys import selectors
from apikeys.models import SigningKey
from apikeys.rules import Scope
from audit import services as audit
from common import clock, ids, outbox, vault
from common.actor import SYSTEM, Actor, ActorKind
from inference.contracts.pass_keys import AUDIENCE, LIFE_S, SKEW_S

if TYPE_CHECKING:
    from endpoints.models import Endpoint
    from projects.models import Project

LIFE = timedelta(seconds=LIFE_S)
SKEW = timedelta(seconds=SKEW_S)
SIGNS_FOR = timedelta(days=30)
HEARD_AFTER = timedelta(minutes=10)
"""How long a new key is published before it signs: twice as long as anyone keeps the list."""
_ROTATION_LOCK = 0x5EA1


@dataclass(frozen=True, slots=True)
class MintedPass:
    """A pass for the one response that may show it."""

    token: str = field(repr=False)
    expires_at: datetime
    subject: str


def mint_pass(
    *,
    project: Project,
    by: Actor,
    subject: str = "",
    scopes: Sequence[str] = (Scope.INFERENCE,),
    endpoint: Endpoint | None = None,
) -> MintedPass:
    """Sign a pass for ``subject`` (the caller's own user, say; else whoever asks)."""
    now = clock.now()
    asker = by.subject if by.kind is ActorKind.KEY else f"person_{by.subject}"
    claims: dict[str, object] = {
        "iss": settings.PUBLIC_URL,
        "aud": AUDIENCE,
        "sub": subject or asker,
        "iat": int(now.timestamp()),
        "nbf": int(now.timestamp()),
        "exp": int((now + LIFE).timestamp()),
        "jti": ids.mint("jti"),
        "by": asker,
        "project": project.public_id,
        "scopes": sorted({Scope(scope).value for scope in scopes}),
        "endpoint": endpoint.slug if endpoint else None,
    }
    if by.kind is ActorKind.KEY:
        # Nobody finds the key by it; the gateway finds what the key may do by now.
        claims["grant"] = selectors.newest_digest(project=project, public_id=by.subject)
    with transaction.atomic():
        token = sign(claims)
        audit.record(
            by=by,
            action="pass.minted",
            project=project.public_id,
            subject=("pass", str(claims["jti"])),
            after={name: claims[name] for name in ("sub", "scopes", "endpoint")},
        )
    return MintedPass(
        token, datetime.fromtimestamp(int(str(claims["exp"])), now.tzinfo), subject or asker
    )


def sign(claims: dict[str, object]) -> str:
    """Return claims as a JWT, by the key that signs at this moment; the first is made for it."""
    return _sign(_present_key(clock.now()), claims)


def rotate_signing_key() -> bool:
    """Prepare a new signing key when the newest has signed for long enough; say whether."""
    with transaction.atomic():
        _lock()
        now = clock.now()
        newest = selectors.newest_signing_key()
        if newest is not None and now - newest.signs_from < SIGNS_FOR:
            return False
        begins = now if newest is None else now + HEARD_AFTER
        _make_key(begins)
        last = begins + LIFE + SKEW
        SigningKey.objects.filter(ends_at=None, signs_from__lt=begins).update(
            ends_at=last, version=F("version") + 1
        )
    return True


def jwks(moment: datetime) -> dict[str, list[dict[str, str]]]:
    """Return the public keys in force as a JSON Web Key Set (RFC 7517, RFC 8037 §2)."""
    return {
        "keys": [
            {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": k.kid, "x": k.x}
            for k in selectors.published_signing_keys(moment=moment)
        ]
    }


def reseal_signing_keys(*, work: vault.Resealing, by: Actor = SYSTEM) -> None:
    """Seal the private halves of the signing keys with the newest key of the keyring."""
    with transaction.atomic():
        for key in SigningKey.objects.select_for_update().order_by("pk"):
            renewed = work.of(f"signing key {key.kid}", key.sealed)
            if renewed != key.sealed:
                SigningKey.objects.filter(pk=key.pk).update(sealed=renewed)
                audit.record(by=by, action="signing_key.resealed", subject=("signing_key", key.kid))


def _present_key(now: datetime) -> SigningKey:
    key = selectors.signing_key_at(moment=now)
    if key is None:
        rotate_signing_key()
        key = selectors.signing_key_at(moment=clock.now())
    assert key is not None  # noqa: S101 - the line above made it
    return key


def _make_key(begins: datetime) -> SigningKey:
    private = Ed25519PrivateKey.generate()
    key = SigningKey.objects.create(
        x=_text(private.public_key().public_bytes_raw()),
        sealed=vault.seal(_text(private.private_bytes_raw())),
        created_at=clock.now(),
        signs_from=begins,
    )
    outbox.announce("jwks", key.pk)
    return key


def _sign(key: SigningKey, claims: dict[str, object]) -> str:
    head = {"alg": "EdDSA", "typ": "JWT", "kid": key.kid}
    signed = ".".join(
        _text(json.dumps(part, separators=(",", ":")).encode()) for part in (head, claims)
    )
    raw = base64.urlsafe_b64decode(vault.unseal(key.sealed) + "=")
    signature = Ed25519PrivateKey.from_private_bytes(raw).sign(signed.encode())
    return f"{signed}.{_text(signature)}"


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _lock() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_ROTATION_LOCK])
