"""Browsers that a person signed in with before: what strangers do wrong doesn't slow these.

A signed cookie holds, for each account that was opened there, a random name under which the
tries of this browser are counted. It opens nothing.
"""

from __future__ import annotations

import hashlib
import secrets

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse

COOKIE = "__Host-device" if settings.IS_ENCRYPTED else "device"
SALT = "accounts.devices"
LASTS_S = 365 * 86_400
MAX_ACCOUNTS = 5


def name_of(request: HttpRequest, email: str) -> str | None:
    """Return the name of this browser if an account was opened in it before."""
    return _known(request).get(_account(email))


def remember(request: HttpRequest, response: HttpResponse, email: str) -> None:
    """Give this browser a name for an account that was just opened in it."""
    known, account = _known(request), _account(email)
    name = known.pop(account, None) or secrets.token_urlsafe(12)
    newest = dict([*known.items(), (account, name)][-MAX_ACCOUNTS:])
    response.set_cookie(
        COOKIE,
        signing.dumps(newest, salt=SALT),
        max_age=LASTS_S,
        secure=settings.IS_ENCRYPTED,
        httponly=True,
        samesite="Lax",
    )


def _known(request: HttpRequest) -> dict[str, str]:
    try:
        said = signing.loads(request.COOKIES.get(COOKIE, ""), salt=SALT, max_age=LASTS_S)
    except signing.BadSignature:
        return {}
    return {str(account): str(name) for account, name in said.items()}


def _account(email: str) -> str:
    return hashlib.sha256(email.strip().lower().encode()).hexdigest()[:16]
