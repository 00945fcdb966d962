"""The machine's own key (Ed25519), and what is signed with it."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ENROLL, REFRESH = b"xerotier-agent-enroll", b"xerotier-agent-refresh"
FINGERPRINT_DIGITS = 32
LEAVE, HELLO = b"xerotier-agent-leave", b"xerotier-agent-hello"


def text_of(raw: bytes) -> str:
    """Return bytes as base64url without padding."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def bytes_of(text: str) -> bytes:
    """Return what ``text_of`` was given; raises ``ValueError`` for anything else."""
    padded = text + "=" * (-len(text) % 4)
    return base64.b64decode(padded, altchars=b"-_", validate=True)


@dataclass(frozen=True, slots=True)
class Identity:
    """The key that was made on this machine and never leaves it."""

    _key: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def made(cls) -> Identity:
        """Make a new key."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_raw(cls, raw: bytes) -> Identity:
        """Take a key that was kept; raises ``ValueError`` if it is none."""
        return cls(Ed25519PrivateKey.from_private_bytes(raw))

    @property
    def raw(self) -> bytes:
        """Return the secret half, for the state folder."""
        return self._key.private_bytes_raw()

    @property
    def public(self) -> bytes:
        """Return the public half, 32 bytes."""
        return self._key.public_key().public_bytes_raw()

    @property
    def fingerprint(self) -> str:
        """Return what an owner compares before letting the machine in, as its page shows it."""
        digits = hashlib.sha256(self.public).hexdigest()[:FINGERPRINT_DIGITS]
        return " ".join(digits[start : start + 4] for start in range(0, len(digits), 4))

    def proof(self, join_key: str) -> bytes:
        """Prove to have the key, for this join key only."""
        return self._key.sign(ENROLL + b"\0" + hashlib.sha256(join_key.encode()).digest())

    def signed(self, label: bytes, agent: str, time: float) -> bytes:
        """Sign a refresh or a leave of this moment."""
        moment = str(int(time * 1000)).encode()
        return self._key.sign(b"\0".join((label, agent.encode(), moment)))

    def hello(self, gateway: str, nonce: bytes, token: str) -> bytes:
        """Answer a gateway's challenge."""
        digest = hashlib.sha256(token.encode()).digest()
        return self._key.sign(HELLO + b"\0" + gateway.encode() + b"\0" + nonce + digest)
