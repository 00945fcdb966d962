"""Who may act in which project: the only door from a path to a project's rows.

It also tells the database for whom the transaction works (``common.tenancy``).

A stranger gets the same answer for somebody else's project as for a missing one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

from django.conf import settings
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated

from accounts import selectors as accounts
from accounts.models import User
from common import clock, tenancy
from common.actor import REQUEST_ID, Actor, ActorKind
from common.addresses import caller_address
from common.rest import once_seated
from projects import rules, selectors
from projects.errors import (
    KeyOfAnotherProject,
    ProjectMarkedForDeletion,
    ProjectNotFound,
    ProjectSuspended,
    ProofRequired,
    RoleInsufficient,
    SecondFactorRequired,
)
from projects.models import Membership, Project
from projects.rules import Role

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser
    from django.http import HttpRequest
    from rest_framework.request import Request


SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
MANAGEMENT = "management"
"""The scope whose keys act as admins of their project."""


@dataclass(frozen=True, slots=True)
class Seat:
    """Someone's place in a project: what every service is handed.

    ``user`` is the person who acts; behind a key it is nobody, and ``behind`` is whoever
    made the key and answers for it.
    """

    project: Project
    role: Role
    actor: Actor
    user: User | None = None
    behind: User | None = None

    @property
    def maker(self) -> User | None:
        """Who answers for what is made from this seat."""
        return self.user or self.behind

    def may(self, floor: Role) -> bool:
        """Say whether this seat carries everything that ``floor`` carries."""
        return rules.is_at_least(self.role, floor)

    def check_own(self, maker_pk: int | None) -> None:
        """Let admins change everybody's things and members only what they made themselves.

        Raises ``RoleInsufficient``.
        """
        is_theirs = self.maker is not None and maker_pk == self.maker.pk
        if not is_theirs and not self.may(Role.ADMIN):
            raise RoleInsufficient("Somebody else made this; changing it needs admin or more.")

    def check_money(self, what: str) -> None:
        """Let only owners decide what costs money, and keys that somebody made who is one now.

        Raises ``RoleInsufficient``.
        """
        is_owners = self.behind is not None and selectors.owns(self.project, self.behind.pk)
        if not self.may(Role.OWNER) and not is_owners:
            raise RoleInsufficient(f"{what}; that needs an owner, or a key that an owner made.")

    def check_scopes(self, scopes: Iterable[str]) -> None:
        """Refuse to hand out or renew a management key below admin: it acts as one.

        Raises ``RoleInsufficient``.
        """
        if MANAGEMENT in scopes and not self.may(Role.ADMIN):
            raise RoleInsufficient(
                "A key with the scope “management” acts as an admin; that needs admin or more.",
                param="scopes",
            )


class KeyHolder(Protocol):
    """A caller who showed a management key: what the door needs to know of it."""

    actor: Actor
    project_public_id: str
    issuer: User | None


def seat(
    user: User | AnonymousUser,
    project_id: str,
    *,
    at_least: Role = Role.VIEWER,
    even_marked: bool = False,
    address: str = "",
    request_id: str = "",
) -> Seat:
    """Return a person's seat in the project named by its public id.

    Raises ``ProjectNotFound`` for strangers, ``SecondFactorRequired`` where the project
    wants one, ``RoleInsufficient`` for members below ``at_least``. A project marked for
    deletion can only be looked at, unless ``even_marked``: ``ProjectMarkedForDeletion``.
    """
    held = _membership(user, project_id)
    if held.project.requires_second_factor and not accounts.has_second_factor(held.user):
        raise SecondFactorRequired(
            "This project asks for a second factor: set one up under /auth/2fa/."
        )
    found = Seat(
        project=held.project,
        role=Role(held.role),
        actor=Actor(ActorKind.PERSON, str(held.user.pk), held.user.email, address, request_id),
        user=held.user,
    )
    if not found.may(at_least):
        raise RoleInsufficient(
            f"Your role in this project is {found.role}; this needs {at_least} or more."
        )
    if held.project.delete_after and at_least != Role.VIEWER and not even_marked:
        raise ProjectMarkedForDeletion(
            "This project is marked for deletion. Restore it to change anything."
        )
    tenancy.enter(held.project.pk, held.project.public_id)
    return found


def check_open(seat: Seat, method: str | None) -> None:
    """Let nobody but operators change anything in a suspended project; looking stays allowed.

    Raises ``ProjectSuspended``.
    """
    project = seat.project
    if method not in SAFE and project.is_suspended(clock.now()):
        raise ProjectSuspended(
            f"This project was suspended by the operator of the platform: "
            f"{project.suspension_reason} Ask the operator; only they can lift it."
        )


def person_actor(user: User, request: HttpRequest) -> Actor:
    """Return a person as the audit log names them: who, from where, in which request."""
    return accounts.actor_of(user, request)


def key_seat(holder: KeyHolder, project_id: str) -> Seat:
    """Return the seat of a management key: an admin's of its own project.

    It never carries more than whoever made it carries by now. Raises ``KeyOfAnotherProject``
    for any other project, existing or not, and ``AuthenticationFailed`` for a key whose maker
    has no seat any more.
    """
    project = selectors.project_by_public_id(project_id)
    if project is None or holder.project_public_id != project_id:
        raise KeyOfAnotherProject("This key belongs to another project.")
    tenancy.enter(project.pk, project.public_id)
    role = _role_behind(project, holder.issuer)
    return Seat(project=project, role=role, actor=holder.actor, behind=holder.issuer)


def _role_behind(project: Project, issuer: User | None) -> Role:
    if issuer is None:  # made by the platform itself
        return Role.ADMIN
    held = selectors.seat_in(project=project, user=issuer) if issuer.is_active else None
    if held is None:
        raise AuthenticationFailed("Whoever made this API key has no seat here any more.")
    return rules.lesser(Role.ADMIN, held.role)


def _membership(user: User | AnonymousUser, project_id: str) -> Membership:
    held = None
    if isinstance(user, User):
        held = (
            Membership.objects.select_related("project", "user")
            .filter(user=user, project__public_id=project_id)
            .first()
        )
    if held is None:
        raise ProjectNotFound("There is no such project, or you have no seat in it.")
    return held


def seat_of(
    request: Request,
    project_id: str,
    *,
    at_least: Role = Role.VIEWER,
    even_marked: bool = False,
    proven: bool = False,
) -> Seat:
    """Return the seat of whoever calls the management API: a key's, or a person's.

    Raises what ``seat`` and ``key_seat`` raise, and ``NotAuthenticated`` for nobody. With
    ``proven`` a person must have shown lately who they are, as for the page that does the
    same. Only whoever passes is told what is wrong with the request's query.
    """
    found = _seat_of(request, project_id, at_least=at_least, even_marked=even_marked)
    check_open(found, request.method)
    if proven:
        check_proof(request)
    once_seated(request)
    return found


def check_proof(request: Request) -> None:
    """Ask a person again who they are; a key is a proof by itself. Raises ``ProofRequired``."""
    way = None if request.auth is not None else accounts.way_to_a_proof(request)
    if way is not None:
        raise ProofRequired(
            f"Show once more who you are, at {settings.PUBLIC_URL}{way}, then ask again."
        )


def _seat_of(request: Request, project_id: str, *, at_least: Role, even_marked: bool) -> Seat:
    if request.auth is not None:
        found = key_seat(cast("KeyHolder", request.auth), project_id)
        if not found.may(at_least):
            raise RoleInsufficient(f"A key acts as {found.role}; this needs {at_least}.")
        return found
    if not request.user.is_authenticated:
        raise NotAuthenticated("Show a management key as bearer, or sign in.")
    return seat(
        request.user,
        project_id,
        at_least=at_least,
        even_marked=even_marked,
        address=caller_address(request),
        request_id=request.META.get(REQUEST_ID, ""),
    )
