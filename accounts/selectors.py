"""Questions about people."""

from __future__ import annotations

import time

from allauth.account import app_settings
from allauth.account.adapter import get_adapter
from allauth.account.authentication import get_authentication_records
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.http import HttpRequest

from accounts.models import User
from common.actor import REQUEST_ID, Actor, ActorKind
from common.addresses import caller_address

SECOND_FACTORS = [Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN]
"""What counts as one; recovery codes only stand in for these."""


def actor_of(user: User, request: HttpRequest) -> Actor:
    """Return a person as the audit log names them: who, from where, in which request."""
    return Actor(
        kind=ActorKind.PERSON,
        subject=str(user.pk),
        name=user.email,
        address=caller_address(request),
        request_id=request.META.get(REQUEST_ID, ""),
    )


def has_second_factor(user: User) -> bool:
    """Say whether a person set up a second factor."""
    return bool(is_mfa_enabled(user, SECOND_FACTORS))


def verified_addresses(user: User) -> list[str]:
    """Return the e-mail addresses a person proved to hold, in lower case."""
    rows = EmailAddress.objects.filter(user=user, verified=True)
    return [address.lower() for address in rows.values_list("email", flat=True)]


def way_to_a_proof(request: HttpRequest) -> str | None:
    """Return where whoever is signed in shows who they are; none if they did so lately.

    A session may be hours old and the machine borrowed. Signing in counts as a proof, and so
    does saying a password, a code or a passkey again. Who has neither password nor second
    factor can prove nothing here (another site vouches for them) and is let through, as
    allauth does (``did_recently_reauthenticate``; its issue 3030). A project that requires a
    second factor has nobody like that.
    """
    methods = get_adapter().get_reauthentication_methods(request.user)
    if not methods:
        return None
    records = get_authentication_records(request, request.user)
    latest = max((record["at"] for record in records), default=0.0)
    if time.time() - latest < app_settings.REAUTHENTICATION_TIMEOUT:
        return None
    return str(methods[0]["url"])
