"""What is forgotten of people: sessions that are over, and accounts nobody ever proved."""

from __future__ import annotations

from datetime import timedelta

from allauth.account.models import EmailAddress
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db.models import Exists, OuterRef

from accounts.models import User
from common import clock
from common.batches import delete_all


def forget_sessions() -> int:
    """Delete sessions that are over, and what the list of sessions holds of them."""
    count = delete_all(Session.objects.filter(expire_date__lte=clock.now()))
    alive = Session.objects.filter(session_key=OuterRef("session_key"))
    delete_all(UserSession.objects.filter(~Exists(alive)))
    return count


def forget_unproven() -> int:
    """Delete accounts whose address nobody proved in time; return how many.

    Nobody ever got in by them: who has signed in, sits in a project, came through a provider
    or is an operator stays.
    """
    since = clock.now() - timedelta(days=settings.UNPROVEN_DAYS)
    proven = EmailAddress.objects.filter(user=OuterRef("pk"), verified=True)
    unproven = User.objects.filter(
        ~Exists(proven),
        joined_at__lt=since,
        last_login=None,
        is_staff=False,
        is_active=True,
        memberships=None,
        socialaccount=None,
    )
    return delete_all(unproven)
