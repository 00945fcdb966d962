"""Refuse to start a production platform on settings that are only right for development.

All mistakes are listed at once, each with what to do.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.checks import Error, register

SHORT = 40
"""Characters under which a secret key is guessable."""


@register()
def production_is_secure(app_configs: Any, **_options: Any) -> list[Error]:
    """List what may not be so in production."""
    if not settings.IS_PRODUCTION:
        return []
    return [
        Error(fault, hint=mend, id=f"xerotier.E{number:03}") for number, fault, mend in _faults()
    ]


def _faults() -> Iterator[tuple[int, str, str]]:
    if settings.DEBUG:
        yield 1, "XEROTIER_DEBUG is on.", "Unset it: error pages would show settings and code."
    if "insecure" in settings.SECRET_KEY or len(settings.SECRET_KEY) < SHORT:
        yield 2, "XEROTIER_SECRET_KEY is the default or short.", "Set 50 random characters."
    if any("insecure" in pepper for pepper in settings.PEPPERS):
        yield 3, "XEROTIER_PEPPERS is the default.", "Set name:value with a random value."
    if not settings.KEYRING:
        yield 4, "XEROTIER_KEYRING is empty.", "Set a Fernet key: secrets at rest need it."
    if "*" in settings.ALLOWED_HOSTS:
        yield 5, "XEROTIER_HOSTS allows every host.", "List the names this platform answers to."
    if not settings.PUBLIC_URL.startswith("https://"):
        yield 6, "XEROTIER_URL is not https.", "Keys and sessions must travel encrypted."
