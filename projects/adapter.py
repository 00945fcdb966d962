"""Where allauth tells us that somebody proved to hold an address: seats kept for it are theirs.

Whoever was asked nowhere names a project of their own on the first page they see.
"""

from __future__ import annotations

from typing import Any

from allauth.account.signals import email_confirmed, user_signed_up
from django.dispatch import receiver
from django.http import HttpRequest

from accounts.models import User
from projects import access, invitations


@receiver(email_confirmed, dispatch_uid="projects.join_invited.confirmed")
def join_after_confirmation(request: HttpRequest, email_address: Any, **_said: Any) -> None:
    """Seat whoever has just typed in the code from the e-mail."""
    _join(request, email_address.user)


@receiver(user_signed_up, dispatch_uid="projects.join_invited.signed_up")
def join_after_sign_up(request: HttpRequest, user: User, **_said: Any) -> None:
    """Seat whoever came through a provider that vouches for the address."""
    _join(request, user)


def _join(request: HttpRequest, user: User) -> None:
    by = access.person_actor(user, request)
    invitations.join_invited(user=user, by=by)
