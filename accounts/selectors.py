"""Questions about people."""

from __future__ import annotations

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled

from accounts.models import User

SECOND_FACTORS = [Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN]
"""What counts as one; recovery codes only stand in for these."""


def has_second_factor(user: User) -> bool:
    """Say whether a person set up a second factor."""
    return bool(is_mfa_enabled(user, SECOND_FACTORS))


def verified_addresses(user: User) -> list[str]:
    """Return the e-mail addresses a person proved to hold, in lower case."""
    rows = EmailAddress.objects.filter(user=user, verified=True)
    return [address.lower() for address in rows.values_list("email", flat=True)]
