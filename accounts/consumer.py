"""What people did about their own sign-in, written into the audit log as allauth tells of it.

allauth's pages have no services of ours to write it; its signals are the one hook it has.
Some are sent after the commit, so each entry has a transaction of its own.
"""

from __future__ import annotations

from typing import Any

from allauth.account import signals as account
from allauth.mfa import signals as mfa
from allauth.socialaccount import signals as social
from django.db import transaction
from django.dispatch import Signal
from django.http import HttpRequest

from accounts import selectors
from accounts.models import User
from audit import services as audit

_TOLD: tuple[tuple[Signal, str], ...] = (
    (account.user_signed_up, "person.registered"),
    (account.user_logged_in, "person.signed_in"),
    (account.password_set, "person.password_set"),
    (account.password_changed, "person.password_changed"),
    (account.password_reset, "person.password_reset"),
    (account.email_changed, "person.email_changed"),
    (mfa.authenticator_added, "person.factor_added"),
    (mfa.authenticator_removed, "person.factor_removed"),
    (mfa.authenticator_reset, "person.factor_reset"),
    (social.social_account_added, "person.account_linked"),
    (social.social_account_removed, "person.account_unlinked"),
)


def listen() -> None:
    """Begin to write entries; called once, when the apps are ready."""
    for signal, action in _TOLD:
        signal.connect(_writer(action), weak=False, dispatch_uid=f"audit {action}")


def _writer(action: str) -> Any:
    def write(*, request: HttpRequest, **said: Any) -> None:
        user = said.get("user") or request.user
        # The first address to be proven is told of as a change from none.
        is_first = "to_email_address" in said and said.get("from_email_address") is None
        if isinstance(user, User) and not is_first:
            _write(action, request, user, _details(said))

    return write


def _write(action: str, request: HttpRequest, user: User, details: dict[str, str]) -> None:
    with transaction.atomic():
        audit.record(
            by=selectors.actor_of(user, request),
            action=action,
            subject=("person", str(user.pk)),
            after=details,
        )


def _details(said: dict[str, Any]) -> dict[str, str]:
    details = {}
    if "authenticator" in said:
        details["factor"] = said["authenticator"].type
    if "to_email_address" in said:
        details["email"] = said["to_email_address"].email
    if "socialaccount" in said:
        details["provider"] = said["socialaccount"].provider
    elif said.get("sociallogin") is not None:
        details["provider"] = said["sociallogin"].account.provider
    return details
