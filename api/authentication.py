"""Who calls the management API: a management key, or a signed-in person."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.models import AnonymousUser
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from apikeys import secrets, selectors
from apikeys.models import ApiKey, Scope
from common import clock
from common.actor import Actor, ActorKind
from common.problems import Problem

REALM = "Bearer"


class ScopeInsufficient(Problem):
    """The key is good, but not for this."""

    code = "scope_insufficient"
    status = 403
    kind = "authentication_error"


@dataclass(frozen=True, slots=True)
class ShownKey:
    """A live management key, as the door to a project wants to see it."""

    actor: Actor
    project_public_id: str


class KeyAuthentication(BaseAuthentication):
    """``Authorization: Bearer xero_…`` with the scope ``management``.

    Missing, malformed, unknown, expired and revoked are one answer: 401 ``invalid_api_key``.
    """

    def authenticate(self, request: Request) -> tuple[AnonymousUser, ShownKey] | None:
        """Return the key's holder; nothing if no bearer was shown."""
        scheme, _, plain = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        key = _live_key(plain.strip())
        if Scope.MANAGEMENT not in key.scopes:
            raise ScopeInsufficient("The management API needs a key with the scope “management”.")
        actor = Actor(ActorKind.KEY, key.public_id, key.name, request.META.get("REMOTE_ADDR", ""))
        return AnonymousUser(), ShownKey(actor, key.project.public_id)

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge of a 401."""
        return REALM


def _live_key(plain: str) -> ApiKey:
    secret = selectors.secret_by_digest(secrets.digests(plain))
    now = clock.now()
    if secret is None or not secret.is_live(now) or not secret.key.is_live(now):
        raise AuthenticationFailed("The API key is not valid.")
    if secret.key.project.delete_after is not None:
        raise AuthenticationFailed("The API key is not valid.")
    return secret.key
