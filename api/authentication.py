"""Who calls: a management key or a signed-in person; at the operator API an operator's token."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from django.contrib.auth.models import AnonymousUser
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts import tokens
from accounts.models import User
from apikeys import rules, secrets, selectors, services
from apikeys.models import KeySecret
from apikeys.rules import Scope
from common import clock, tenancy
from common.actor import REQUEST_ID, Actor, ActorKind
from common.addresses import caller_address
from common.middleware import AFTERWARDS
from common.problems import Problem

REALM = "Bearer"


class ScopeInsufficient(Problem):
    """The key is good, but not for this."""

    code = "scope_insufficient"
    status = 403
    kind = "authentication_error"


class AddressNotAllowed(Problem):
    """The caller's address is outside the key's IP rules."""

    code = "ip_not_allowed"
    status = 403
    kind = "authentication_error"


@dataclass(frozen=True, slots=True)
class ShownKey:
    """A live management key, as the door to a project wants to see it."""

    actor: Actor
    project_public_id: str
    issuer: User | None


class KeyAuthentication(BaseAuthentication):
    """``Authorization: Bearer xero_…`` with the scope ``management``.

    Missing, malformed, unknown, expired and revoked are one answer: 401 ``invalid_api_key``.
    """

    scope = Scope.MANAGEMENT
    surface = "management API"

    def authenticate(self, request: Request) -> tuple[AnonymousUser, ShownKey] | None:
        """Return the key's holder; nothing if no bearer was shown."""
        scheme, _, plain = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        address = caller_address(request)
        secret = _live_secret(plain.strip())
        key = secret.key
        if self.scope not in key.scopes:
            raise ScopeInsufficient(
                f"The {self.surface} needs a key with the scope “{self.scope.value}”."
            )
        if not rules.is_welcome(address, allow=key.ip_allow, block=key.ip_block):
            raise AddressNotAllowed("This key may not be used from this address.")
        afterwards = request.META.setdefault(AFTERWARDS, [])
        # Not now: the row would stay locked, for others with this key, as long as the request.
        afterwards.append(partial(_note_use, secret))
        request_id = request.META.get(REQUEST_ID, "")
        actor = Actor(ActorKind.KEY, key.public_id, key.name, address, request_id)
        return AnonymousUser(), ShownKey(actor, key.project.public_id, key.issued_by)

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge of a 401."""
        return REALM


class UsageKeyAuthentication(KeyAuthentication):
    """The same for the usage API, which is read with the scope ``inference``."""

    scope = Scope.INFERENCE
    surface = "usage API"


@dataclass(frozen=True, slots=True)
class ShownToken:
    """A live token of an operator: who acts by it."""

    actor: Actor


class OperatorAuthentication(BaseAuthentication):
    """``Authorization: Bearer xerop_…``: a token of an operator, and nothing else.

    Keys of projects and sessions open nothing here (ADR 0025). Malformed, unknown, expired and
    revoked are one answer: 401 ``invalid_api_key``.
    """

    def authenticate(self, request: Request) -> tuple[AnonymousUser, ShownToken] | None:
        """Return who acts; nothing if no bearer was shown."""
        scheme, _, plain = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        token = tokens.token_shown(plain.strip())
        now = clock.now()
        if token is None or not token.is_live(now):
            raise AuthenticationFailed("This is no live token of an operator.")
        afterwards = request.META.setdefault(AFTERWARDS, [])
        afterwards.append(partial(tokens.note_use, token=token, moment=now))
        actor = Actor(
            kind=ActorKind.PERSON,
            subject=str(token.user_id),
            name=f"{token.user.email} ({token.public_id})",
            address=caller_address(request),
            request_id=request.META.get(REQUEST_ID, ""),
        )
        return AnonymousUser(), ShownToken(actor)

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge of a 401."""
        return REALM


def _live_secret(plain: str) -> KeySecret:
    digests = secrets.digests(plain)
    # What is no key by its form costs no question to the database.
    secret = selectors.secret_by_digest(digests) if digests else None
    now = clock.now()
    if secret is None or not secret.is_live(now) or not secret.key.is_live(now):
        raise AuthenticationFailed("The API key is not valid.")
    if secret.key.project.delete_after is not None:
        raise AuthenticationFailed("The API key is not valid.")
    return secret


def _note_use(secret: KeySecret) -> None:
    now = clock.now()
    if secret.last_used_at is None or now - secret.last_used_at >= services.USE_RESOLUTION:
        with tenancy.system():
            services.note_use(secret_ids=[secret.pk], moment=now)
