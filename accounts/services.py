"""What operators do to people and to providers. What people do to themselves is allauth's."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialApp
from allauth.usersessions.models import UserSession
from django.db import transaction

from accounts import departures, tokens
from accounts.errors import LastOperator, NotToBeSeenAs
from accounts.models import User
from audit import services as audit
from common import clock, vault
from common.actor import SYSTEM, Actor
from common.names import check_name

SEALED = "sealed_secret"
"""Where a provider's settings keep its sealed client secret; allauth's own column stays empty."""
SEALED_OF_FACTOR = frozenset({"secret", "seed", "migrated_codes"})
"""What allauth seals in ``Authenticator.data``: TOTP, recovery codes, and those taken over."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a person is to the platform as a whole."""

    name: str
    is_active: bool
    is_staff: bool
    is_superuser: bool


def set_standing(*, user_id: int, standing: Standing, by: Actor, keeps_keys: bool = False) -> None:
    """Make someone an operator or not, let them in or not.

    Whoever is no longer let in loses their sessions at once, and the keys and invitations
    they made in any project; with ``keeps_keys`` only what acts in their name stops. Raises
    ``NameMalformed``, and ``LastOperator`` when nobody could open the console afterwards.
    """
    check_name(standing.name)
    with transaction.atomic():
        operators = User.objects.filter(is_active=True, is_staff=True, is_superuser=True)
        # Two operators who unseat each other at once would otherwise both succeed.
        held = set(operators.select_for_update().values_list("pk", flat=True))
        user = User.objects.select_for_update().get(pk=user_id)
        stays = standing.is_active and standing.is_staff and standing.is_superuser
        if held == {user.pk} and not stays:
            raise LastOperator("This is the last operator: nobody could open the console.")
        before, after = _standing_of(user), asdict(standing)
        changed = {name for name in after if before[name] != after[name]}
        User.objects.filter(pk=user.pk).update(**after)
        if not stays:
            tokens.revoke_all(user=user, by=by)
        if not standing.is_active:
            _end_sessions(user)
            if user.is_active and not keeps_keys:
                departures.end_authority(user=user, project_pk=None, heir=None, by=by)
        audit.record(
            by=by,
            action="person.changed",
            subject=("person", str(user.pk)),
            before={name: before[name] for name in changed},
            after={name: after[name] for name in changed},
        )


def rename(*, user: User, name: str, by: Actor) -> None:
    """Call a person by another name, or by none. Raises ``NameMalformed``."""
    check_name(name)
    with transaction.atomic():
        before = User.objects.select_for_update().get(pk=user.pk).name
        if name == before:
            return
        User.objects.filter(pk=user.pk).update(name=name)
        audit.record(
            by=by,
            action="person.changed",
            subject=("person", str(user.pk)),
            before={"name": before},
            after={"name": name},
        )


def shut_out(*, user: User, reason: str, until: datetime | None, by: Actor) -> None:
    """Let a person in no more, for a reason, until a moment or for good; end their sessions.

    Raises ``LastOperator`` when nobody could open the console afterwards.
    """
    with transaction.atomic():
        standing = Standing(**_standing_of(user) | {"is_active": False})
        # A suspension ends: their keys go on serving, and manage nothing meanwhile.
        set_standing(user_id=user.pk, standing=standing, by=by, keeps_keys=True)
        said = {"reason": reason.strip(), "until": until}
        _suspend(user, clock.now(), until, reason.strip(), by.name)
        audit.record(by=by, action="person.suspended", subject=("person", str(user.pk)), after=said)


def let_in(*, user: User, by: Actor) -> bool:
    """Lift a person's suspension; false if there is none."""
    with transaction.atomic():
        if User.objects.select_for_update().get(pk=user.pk).suspended_at is None:
            return False
        _suspend(user, None, None, "", "")
        standing = Standing(**_standing_of(user) | {"is_active": True})
        set_standing(user_id=user.pk, standing=standing, by=by)
        subject = ("person", str(user.pk))
        audit.record(by=by, action="person.suspension_lifted", subject=subject)
    return True


def end_sessions(*, user: User, by: Actor) -> int:
    """Sign a person out everywhere; return how many sessions that ended."""
    with transaction.atomic():
        ended = _end_sessions(user)
        audit.record(
            by=by,
            action="person.signed_out",
            subject=("person", str(user.pk)),
            after={"sessions": ended},
        )
    return ended


def remove_factors(*, user: User, by: Actor) -> int:
    """Take away all second factors of a person who lost them; return how many there were.

    Their sessions end too: whoever asked for this may not be who they said.
    """
    with transaction.atomic():
        removed: int = Authenticator.objects.filter(user=user).delete()[0]
        _end_sessions(user)
        audit.record(
            by=by,
            action="person.factors_removed",
            subject=("person", str(user.pk)),
            before={"factors": removed},
        )
    return removed


def see_as(*, user: User | None, by: Actor) -> None:
    """Note that an operator looks through a person's eyes.

    Raises ``NotToBeSeenAs`` for operators, whose eyes see everything, and for nobody.
    """
    if user is None or user.is_staff or not user.is_active:
        raise NotToBeSeenAs("Operators and people who may not sign in can’t be looked at as.")
    with transaction.atomic():
        audit.record(by=by, action="person.looked_at_as", subject=("person", str(user.pk)))


def save_provider(*, app: SocialApp, secret: str | None, by: Actor) -> None:
    """Save a sign-in provider; a ``secret`` is sealed, ``None`` keeps the present one."""
    if secret is not None:
        app.settings = {**app.settings, SEALED: vault.seal(secret)}
    app.secret = ""
    with transaction.atomic():
        app.save()
        audit.record(
            by=by,
            action="provider.saved",
            subject=("provider", str(app.pk)),
            after={**_provider_of(app), "new_secret_given": secret is not None},
        )


def reseal_secrets(*, work: vault.Resealing, by: Actor = SYSTEM) -> None:
    """Seal second factors and providers' secrets with the newest key of the keyring."""
    with transaction.atomic():
        for factor in Authenticator.objects.select_for_update().order_by("pk"):
            name = f"second factor of person {factor.user_id}"
            renewed = {key: _resealed(work, name, key, kept) for key, kept in factor.data.items()}
            if renewed != factor.data:
                Authenticator.objects.filter(pk=factor.pk).update(data=renewed)
                subject = ("person", str(factor.user_id))
                audit.record(by=by, action="person.factor_resealed", subject=subject)
        for app in SocialApp.objects.select_for_update().order_by("pk"):
            kept = app.settings.get(SEALED, "")
            sealed = work.of(f"secret of the sign-in provider {app.name}", kept)
            if sealed != kept:
                settings = {**app.settings, SEALED: sealed}
                SocialApp.objects.filter(pk=app.pk).update(settings=settings)
                subject = ("provider", str(app.pk))
                audit.record(by=by, action="provider.resealed", subject=subject)


def _resealed(work: vault.Resealing, name: str, key: str, kept: Any) -> Any:
    """Seal one value of a second factor anew, if it is one that django-allauth has sealed."""
    if key in SEALED_OF_FACTOR and isinstance(kept, str):
        return work.of(name, kept)
    if key in SEALED_OF_FACTOR:
        return [work.of(name, one) for one in kept]
    return kept


def remove_provider(*, app: SocialApp, by: Actor) -> None:
    """Remove a sign-in provider. Accounts that used it stay, and sign in another way."""
    with transaction.atomic():
        audit.record(
            by=by,
            action="provider.removed",
            subject=("provider", str(app.pk)),
            before=_provider_of(app),
        )
        app.delete()


def _suspend(
    user: User, since: datetime | None, until: datetime | None, reason: str, who: str
) -> None:
    User.objects.filter(pk=user.pk).update(
        suspended_at=since, suspended_until=until, suspension_reason=reason, suspended_by=who
    )


def _standing_of(user: User) -> dict[str, Any]:
    return {name: getattr(user, name) for name in Standing.__dataclass_fields__}


def _end_sessions(user: User) -> int:
    sessions = list(UserSession.objects.filter(user=user))
    for session in sessions:
        session.end()
    return len(sessions)


def _provider_of(app: SocialApp) -> dict[str, Any]:
    said = {name: value for name, value in app.settings.items() if name != SEALED}
    return {
        "provider": app.provider,
        "provider_id": app.provider_id,
        "name": app.name,
        "client_id": app.client_id,
        **said,
    }
