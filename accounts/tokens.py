"""Tokens of operators: made, looked up, and ended. ADR 0025 says why there are any.

``xerop_``, 43 random base-62 characters, six of a checksum. At 256 random bits a plain hash is
all the digest has to be; the checksum refuses a typo without a question to the database.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from django.db import transaction

from accounts.errors import OperatorTokenRefused
from accounts.models import OperatorToken, User
from audit import services as audit
from common import clock, ids
from common.actor import SYSTEM, Actor
from common.names import check_name
from inference.contracts.keys import checksum

PREFIX = "xerop_"
RANDOM_LENGTH, CHECKSUM_LENGTH, HINT_LENGTH = 43, 6, 4
NAME_MAX = 80
LONGEST = timedelta(days=90)
USE_RESOLUTION = timedelta(minutes=1)


def make_token(
    *, user: User, name: str, lasts: timedelta, by: Actor = SYSTEM
) -> tuple[OperatorToken, str]:
    """Make a token for an operator; return it and, this once, its text.

    Raises ``NameMalformed``, and ``OperatorTokenRefused`` for whoever has not all powers and
    for a life beyond ``LONGEST``.
    """
    if not (user.is_active and user.is_staff and user.is_superuser):
        raise OperatorTokenRefused(f"{user.email} is no operator with all powers.")
    check_name(name)
    if not 0 < len(name.strip()) <= NAME_MAX:
        raise OperatorTokenRefused(f"A token's name has 1 to {NAME_MAX} characters.")
    if not timedelta(0) < lasts <= LONGEST:
        raise OperatorTokenRefused(f"A token lasts from 1 to {LONGEST.days} days.")
    plain = _mint()
    now = clock.now()
    with transaction.atomic():
        token = OperatorToken.objects.create(
            user=user,
            name=name,
            digest=_digest(plain),
            hint=f"{PREFIX}…{plain[-HINT_LENGTH:]}",
            made_at=now,
            expires_at=now + lasts,
        )
        after = {"id": token.public_id, "name": name, "expires_at": token.expires_at}
        _note("person.operator_token_made", token, by, after)
    return token, plain


def token_shown(plain: str) -> OperatorToken | None:
    """Return the token of this text, live or not; none if there is none."""
    if not is_token(plain):
        return None
    found = OperatorToken.objects.select_related("user").filter(digest=_digest(plain))
    return found.first()


def token_named(public_id: str) -> OperatorToken | None:
    """Return a token by its id."""
    return OperatorToken.objects.select_related("user").filter(public_id=public_id).first()


def is_token(plain: str) -> bool:
    """Say whether this has the form of an operator's token, its checksum included."""
    is_long = len(plain) == len(PREFIX) + RANDOM_LENGTH + CHECKSUM_LENGTH
    body, check = plain[:-CHECKSUM_LENGTH], plain[-CHECKSUM_LENGTH:]
    return is_long and plain.isascii() and plain.startswith(PREFIX) and checksum(body) == check


def revoke_token(*, token: OperatorToken, by: Actor = SYSTEM) -> bool:
    """End a token at once; false if it was ended before."""
    with transaction.atomic():
        living = OperatorToken.objects.filter(pk=token.pk, revoked_at=None)
        if not living.update(revoked_at=clock.now()):
            return False
        _note("person.operator_token_revoked", token, by, {"id": token.public_id})
    return True


def revoke_all(*, user: User, by: Actor) -> None:
    """End the tokens of somebody who is no operator any more."""
    for token in OperatorToken.objects.filter(user=user, revoked_at=None):
        revoke_token(token=token, by=by)


def note_use(*, token: OperatorToken, moment: datetime) -> None:
    """Remember that a token was shown, once a minute."""
    if token.last_used_at is None or moment - token.last_used_at >= USE_RESOLUTION:
        OperatorToken.objects.filter(pk=token.pk).update(last_used_at=moment)


def _mint() -> str:
    body = PREFIX + ids.random_base62(RANDOM_LENGTH)
    return body + checksum(body)


def _digest(plain: str) -> str:
    return hashlib.sha256(plain.encode()).hexdigest()


def _note(action: str, token: OperatorToken, by: Actor, after: dict[str, object]) -> None:
    audit.record(by=by, action=action, subject=("person", str(token.user_id)), after=after)
