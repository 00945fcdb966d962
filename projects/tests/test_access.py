"""The one door to a project's rows: who gets in, as what, and who is told which no."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.cache import SessionStore
from django.db import connection
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from accounts.models import User
from common import clock
from common.actor import REQUEST_ID, Actor, ActorKind
from common.rest.views import READ_QUERY
from projects import access
from projects.access import Seat
from projects.errors import (
    KeyOfAnotherProject,
    ProjectMarkedForDeletion,
    ProjectNotFound,
    ProjectSuspended,
    ProofRequired,
    RoleInsufficient,
    SecondFactorRequired,
)
from projects.models import Project
from projects.rules import Role
from tests.make import make_user, seat

pytestmark = pytest.mark.django_db
KEY = Actor(ActorKind.KEY, "key_1", "ci")
ROLES = [Role.VIEWER, Role.MEMBER, Role.ADMIN, Role.OWNER]


@dataclass(slots=True)
class Holder:
    """A caller who showed a management key."""

    project_public_id: str
    issuer: User | None
    actor: Actor = KEY


def as_role(project: Project, role: Role) -> User:
    """Return somebody with this role."""
    user = make_user()
    seat(project, user, role)
    return user


def seat_as(project: Project, role: Role) -> Seat:
    return access.seat(as_role(project, role), project.public_id)


def is_let(check: Callable[..., None], *words: Any) -> bool:
    try:
        check(*words)
    except RoleInsufficient:
        return False
    return True


def entered() -> tuple[str, str]:
    """Return the project that the database shows rows of."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('app.project_id'), current_setting('app.project')")
        [(key, public_id)] = cursor.fetchall()
    return key, public_id


def request_of(method: str = "get", **facts: Any) -> Request:
    """Return a request as the views of the management API get it."""
    plain = getattr(APIRequestFactory(), method)("/", REMOTE_ADDR="203.0.113.7")
    plain.META[REQUEST_ID] = "req_1"
    plain.session = SessionStore()
    request = Request(plain)
    request.user = facts.get("user", AnonymousUser())
    plain.user = request.user
    request.auth = facts.get("auth")
    return request


# ── People ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("role", ROLES)
def test_person_gets_in_with_their_role_and_no_further(acme: Project, role: Role) -> None:
    user = as_role(acme, role)

    for floor in ROLES:
        if ROLES.index(floor) <= ROLES.index(role):
            found = access.seat(user, acme.public_id, at_least=floor, address="::1", request_id="r")
            assert (found.project, found.role, found.user, found.behind) == (acme, role, user, None)
            assert found.actor == Actor(ActorKind.PERSON, str(user.pk), user.email, "::1", "r")
            assert found.maker == user
        else:
            with pytest.raises(RoleInsufficient, match=f"is {role}; this needs {floor}"):
                access.seat(user, acme.public_id, at_least=floor)


def test_stranger_is_told_the_same_of_a_rivals_project_as_of_none(
    acme: Project, rival: Project, ada: User
) -> None:
    told = set()
    for user, name in (
        (ada, rival.public_id),
        (ada, "proj_none"),
        (AnonymousUser(), acme.public_id),
    ):
        with pytest.raises(ProjectNotFound) as refused:
            access.seat(user, name)
        told.add(str(refused.value))

    assert len(told) == 1


def test_project_may_want_a_second_factor_of_everybody(acme: Project, ada: User) -> None:
    Project.objects.filter(pk=acme.pk).update(requires_second_factor=True)

    with pytest.raises(SecondFactorRequired):
        access.seat(ada, acme.public_id)

    Authenticator.objects.create(user=ada, type=Authenticator.Type.TOTP, data={})
    assert access.seat(ada, acme.public_id).user == ada


@pytest.mark.parametrize("by_key", [False, True])
def test_whoever_gets_in_sees_the_rows_of_that_project_alone(
    acme: Project, rival: Project, ada: User, by_key: bool
) -> None:
    seat(rival, ada, Role.VIEWER)
    for project in (rival, acme):
        if by_key:
            access.key_seat(Holder(project.public_id, ada), project.public_id)
        else:
            access.seat(ada, project.public_id)
        assert entered() == (str(project.pk), project.public_id)


def test_project_that_is_marked_can_be_looked_at_and_taken_back(acme: Project, ada: User) -> None:
    Project.objects.filter(pk=acme.pk).update(delete_after=clock.now() + timedelta(days=7))

    assert access.seat(ada, acme.public_id).role == Role.OWNER
    access.seat(ada, acme.public_id, at_least=Role.OWNER, even_marked=True)
    with pytest.raises(ProjectMarkedForDeletion):
        access.seat(ada, acme.public_id, at_least=Role.MEMBER)


# ── What a seat carries ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("role", "may"), [(Role.MEMBER, False), (Role.ADMIN, True)])
def test_members_change_what_they_made_and_admins_everything(
    acme: Project, role: Role, may: bool
) -> None:
    mine = seat_as(acme, role)
    assert mine.user is not None

    assert is_let(mine.check_own, mine.user.pk)
    assert is_let(mine.check_own, mine.user.pk + 1) is may
    assert is_let(mine.check_own, None) is may
    assert is_let(replace(mine, user=None, behind=mine.user).check_own, mine.user.pk)
    assert is_let(replace(mine, user=None).check_own, None) is may


@pytest.mark.parametrize("role", ROLES)
def test_only_owners_decide_what_costs_money(acme: Project, role: Role) -> None:
    assert is_let(seat_as(acme, role).check_money, "It costs") is (role == Role.OWNER)


@pytest.mark.parametrize("role", ROLES)
def test_key_decides_what_costs_money_while_its_maker_is_an_owner(
    acme: Project, role: Role
) -> None:
    behind = as_role(acme, role)
    key = access.key_seat(Holder(acme.public_id, behind), acme.public_id)

    assert is_let(key.check_money, "It costs") is (role == Role.OWNER)
    assert not is_let(replace(key, behind=None).check_money, "It costs")


@pytest.mark.parametrize(("role", "may"), [(Role.MEMBER, False), (Role.ADMIN, True)])
def test_only_admins_hand_out_keys_that_act_as_admins(acme: Project, role: Role, may: bool) -> None:
    mine = seat_as(acme, role)

    assert is_let(mine.check_scopes, ["inference"])
    assert is_let(mine.check_scopes, ["inference", "management"]) is may


# ── Keys ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("role", "carries"),
    [
        (Role.OWNER, Role.ADMIN),
        (Role.ADMIN, Role.ADMIN),
        (Role.MEMBER, Role.MEMBER),
        (Role.VIEWER, Role.VIEWER),
    ],
)
def test_key_acts_as_an_admin_and_never_as_more_than_its_maker(
    acme: Project, role: Role, carries: Role
) -> None:
    behind = as_role(acme, role)

    found = access.key_seat(Holder(acme.public_id, behind), acme.public_id)

    assert (found.role, found.user, found.behind, found.actor) == (carries, None, behind, KEY)
    assert found.maker == behind


def test_key_that_the_platform_made_acts_as_an_admin(acme: Project) -> None:
    found = access.key_seat(Holder(acme.public_id, None), acme.public_id)

    assert (found.role, found.maker) == (Role.ADMIN, None)


def test_key_ends_with_the_seat_of_its_maker_and_with_their_account(acme: Project) -> None:
    gone, shut = make_user(), as_role(acme, Role.ADMIN)
    shut.is_active = False

    for maker in (gone, shut):
        with pytest.raises(AuthenticationFailed):
            access.key_seat(Holder(acme.public_id, maker), acme.public_id)


def test_key_opens_no_other_project_and_does_not_say_whether_there_is_one(
    acme: Project, rival: Project
) -> None:
    for name in (rival.public_id, "proj_none"):
        with pytest.raises(KeyOfAnotherProject):
            access.key_seat(Holder(acme.public_id, None), name)
    with pytest.raises(KeyOfAnotherProject):
        access.key_seat(Holder("proj_none", None), "proj_none")


# ── Callers of the management API ──────────────────────────────────────────────────────


def test_caller_by_session_is_a_person_and_by_key_is_a_key(acme: Project, ada: User) -> None:
    person = access.seat_of(request_of(user=ada), acme.public_id)
    key = access.seat_of(request_of(auth=Holder(acme.public_id, ada)), acme.public_id)

    assert (person.user, person.actor.address, person.actor.request_id) == (
        ada,
        "203.0.113.7",
        "req_1",
    )
    assert (key.user, key.behind, key.role) == (None, ada, Role.ADMIN)


def test_open_project_is_changed_by_whoever_may(acme: Project, ada: User) -> None:
    assert access.seat_of(request_of("post", user=ada), acme.public_id).user == ada


def test_only_whoever_passes_is_told_what_is_wrong_with_the_query(
    acme: Project, ada: User, rex: User
) -> None:
    told: list[User] = []
    for user in (ada, rex):
        request = request_of(user=user)
        request.META[READ_QUERY] = lambda user=user: told.append(user)
        with contextlib.suppress(ProjectNotFound):
            access.seat_of(request, acme.public_id)

    assert told == [ada]


def test_person_is_named_in_the_audit_log_with_address_and_request(ada: User) -> None:
    named = access.person_actor(ada, request_of(user=ada)._request)

    assert named == Actor(ActorKind.PERSON, str(ada.pk), ada.email, "203.0.113.7", "req_1")


def test_nobody_is_asked_to_show_who_they_are(acme: Project) -> None:
    with pytest.raises(NotAuthenticated):
        access.seat_of(request_of(), acme.public_id)


def test_key_below_what_an_act_needs_is_refused(acme: Project) -> None:
    holder = Holder(acme.public_id, as_role(acme, Role.MEMBER))

    access.seat_of(request_of(auth=holder), acme.public_id, at_least=Role.MEMBER)
    with pytest.raises(RoleInsufficient, match="acts as member; this needs admin"):
        access.seat_of(request_of(auth=holder), acme.public_id, at_least=Role.ADMIN)


def test_person_shows_again_who_they_are_where_it_matters_and_a_key_does_not(
    acme: Project, ada: User
) -> None:
    access.seat_of(request_of(user=ada), acme.public_id)
    with pytest.raises(ProofRequired, match="/auth/"):
        access.seat_of(request_of(user=ada), acme.public_id, proven=True)

    holder = Holder(acme.public_id, ada)
    access.seat_of(request_of(auth=holder, user=ada), acme.public_id, proven=True)


@pytest.mark.parametrize(
    ("method", "is_shut"),
    [("get", False), ("head", False), ("options", False), ("post", True), ("delete", True)],
)
def test_suspended_project_is_looked_at_and_not_touched(
    acme: Project, ada: User, method: str, is_shut: bool
) -> None:
    suspended = {"suspended_at": clock.now(), "suspension_reason": "Too loud."}
    Project.objects.filter(pk=acme.pk).update(**suspended)

    if is_shut:
        with pytest.raises(ProjectSuspended, match="Too loud"):
            access.seat_of(request_of(method, user=ada), acme.public_id)
    else:
        access.seat_of(request_of(method, user=ada), acme.public_id)
