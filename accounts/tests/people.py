"""What people do at the pages, in the words of a test: register, sign in, read their mail."""

from __future__ import annotations

import re
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal import auth as totp
from django.core import mail
from django.core.cache import cache
from django.test import Client

from accounts.models import User
from tests.make import PASSWORD, make_user

REGISTER, LOGIN = "/auth/register", "/auth/login"
CODE = re.compile(r"^\s*([A-Z0-9]{4}-[A-Z0-9]{4})\s*$", re.MULTILINE)
SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def make_person(name: str = "", **said: Any) -> User:
    """Return a person whose address is verified, as everyone's is who ever signed in."""
    user = make_user(name, **said)
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    return user


def give_totp(user: User) -> Authenticator:
    """Give a person an authenticator app and recovery codes."""
    made: Authenticator = totp.TOTP.activate(user, SEED).instance
    RecoveryCodes.activate(user)
    return made


def code_now(seed: str = SEED) -> str:
    """Return what the authenticator app shows."""
    counter = next(iter(totp.yield_hotp_counters_from_time()))
    return str(totp.format_hotp_value(totp.hotp_value(seed, counter)))


def mailed_code() -> str:
    """Return the code in the newest letter."""
    found = CODE.search(str(mail.outbox[-1].body))
    assert found, mail.outbox[-1].body
    return found.group(1)


def register(client: Client, email: str, password: str = PASSWORD) -> Any:
    """Fill in the form at ``/auth/register``."""
    return client.post(REGISTER, {"email": email, "password1": password})


def sign_in(client: Client, email: str, password: str = PASSWORD, **said: str) -> Any:
    """Fill in the form at ``/auth/login``."""
    return client.post(LOGIN, {"login": email, "password": password, **said})


def is_signed_in(client: Client) -> bool:
    """Say whether the browser holds a person's session."""
    return "_auth_user_id" in client.session


def forget_limits() -> None:
    """Empty the cache that counts attempts."""
    cache.clear()
