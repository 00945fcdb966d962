"""Secrets at rest: sealed with the platform's keyring, opened only where they are used.

A keyring is a list of Fernet keys (``XEROTIER_KEYRING``): the first seals, all open, so a
new key is put in front and the old one stays until ``manage.py reseal`` sealed everything anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class VaultShut(Exception):
    """No key of the ring opens this, or there is no ring."""


def seal(plain: str) -> str:
    """Return a secret in the form that may be stored; an empty one stays empty."""
    return _ring().encrypt(plain.encode()).decode() if plain else ""


def unseal(sealed: str) -> str:
    """Return the secret that ``seal`` was given.

    Raises ``VaultShut`` for what no key of the ring sealed; the message never quotes it.
    """
    if not sealed:
        return ""
    try:
        return _ring().decrypt(sealed.encode()).decode()
    except InvalidToken as fault:
        raise VaultShut("No key of XEROTIER_KEYRING opens this secret.") from fault


def reseal(sealed: str) -> str:
    """Return a secret sealed by the first key of the ring; as it is if that had sealed it.

    Raises ``VaultShut``.
    """
    plain = unseal(sealed)
    try:
        Fernet(settings.KEYRING[0]).decrypt(sealed.encode())
    except InvalidToken:
        return seal(plain)
    return sealed


@dataclass
class Resealing:
    """How far sealing everything anew has come; ``shut`` names what no key opens."""

    changed: int = 0
    shut: list[str] = field(default_factory=list)

    def of(self, name: str, sealed: str) -> str:
        """Return a secret sealed anew, and keep count; what can't be opened stays as it is."""
        if not sealed:
            return sealed
        try:
            renewed = reseal(sealed)
        except VaultShut:
            self.shut.append(name)
            return sealed
        self.changed += renewed != sealed
        return renewed


def _ring() -> MultiFernet:
    if not settings.KEYRING:
        raise VaultShut("XEROTIER_KEYRING is empty: there is nothing to seal with.")
    return MultiFernet([Fernet(key) for key in settings.KEYRING])
