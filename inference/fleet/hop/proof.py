"""How two gateways prove to each other what they are: each signs what both have just made up.

Who has the platform's keyring is a gateway. A proof holds for one connection between two gateways,
one way, and one question, so a recorded conversation opens nothing, and no clock is asked.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from typing import Final

NONCE_BYTES: Final = 32
PROOF_BYTES: Final = 32
ASKING: Final = b"xerotier-hop-ask"
ANSWERING: Final = b"xerotier-hop-answer"
_PURPOSE: Final = b"xerotier-hop\0"


class Keys:
    """What is signed with: the keyring's first key. What is believed: any of it."""

    __slots__ = ("_all",)

    def __init__(self, keyring: Sequence[str]) -> None:
        self._all = [hmac.digest(key.encode(), _PURPOSE, "sha256") for key in keyring]

    @property
    def are_there(self) -> bool:
        """Say whether there is anything to sign with."""
        return bool(self._all)

    def prove(self, label: bytes, *parts: bytes) -> bytes:
        """Sign these, each of whatever length."""
        return hmac.digest(self._all[0], _joined(label, parts), "sha256")

    def believe(self, proof: bytes, label: bytes, *parts: bytes) -> bool:
        """Say whether somebody who has one of the keys signed exactly these."""
        signed, is_good = _joined(label, parts), False
        for key in self._all:
            is_good |= hmac.compare_digest(hmac.digest(key, signed, "sha256"), proof)
        return is_good


def _joined(label: bytes, parts: tuple[bytes, ...]) -> bytes:
    """Write them so that no other parts are written alike."""
    return b"".join(b"%d:%b" % (len(part), part) for part in (label, *parts))
