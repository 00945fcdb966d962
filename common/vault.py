"""Secrets at rest: sealed with the platform's keyring, opened only where they are used.

A keyring is a list of Fernet keys (``XEROTIER_KEYRING``): the first seals, all open, so a
new key is put in front and the old one stays until everything was sealed anew.
"""

from __future__ import annotations

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


def _ring() -> MultiFernet:
    if not settings.KEYRING:
        raise VaultShut("XEROTIER_KEYRING is empty: there is nothing to seal with.")
    return MultiFernet([Fernet(key) for key in settings.KEYRING])
