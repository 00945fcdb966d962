"""Secrets at rest: sealed with the platform's keyring, opened only where they are used.

A keyring is a list of Fernet keys (``XEROTIER_KEYRING``): the first seals, all open, so a
new key is put in front and the old one stays until everything was sealed anew.
"""

from __future__ import annotations

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings


def seal(plain: str) -> str:
    """Return a secret in the form that may be stored; an empty one stays empty."""
    return _ring().encrypt(plain.encode()).decode() if plain else ""


def _ring() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.KEYRING])
