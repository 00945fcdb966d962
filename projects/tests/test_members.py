"""Nobody hands out more than they have, and a project is never without an owner."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import DatabaseError, connection, transaction

from accounts.models import User
from audit.models import AuditEntry
from common.actor import Actor, ActorKind
from projects import access, invitations, members
from projects.errors import LastOwner, MemberUnknown, RoleInsufficient
from projects.models import Invitation, Membership, Project
from projects.rules import Role
from tests.make import make_project, make_user, seat

ROLES = [Role.OWNER, Role.ADMIN, Role.MEMBER, Role.VIEWER]


def sitting(project: Project, role: Role) -> tuple[access.Seat, Membership]:
    """Seat a new person, and return their seat as the door hands it out, and the row."""
    user = make_user()
    row = seat(project, user, role)
    return access.seat(user, project.public_id), row


def allowed(act: Callable[[], object]) -> bool:
    try:
        act()
    except RoleInsufficient:
        return False
    return True


@pytest.mark.parametrize("actor", ROLES)
@pytest.mark.parametrize("target", ROLES)
@pytest.mark.parametrize("wanted", ROLES)
def test_role_changes_never_climb_above_the_giver(
    acme: Project, actor: Role, target: Role, wanted: Role
) -> None:
    own, _ = sitting(acme, actor)
    _, row = sitting(acme, target)

    is_allowed = allowed(lambda: members.change_role(seat=own, member=row, role=wanted))

    row.refresh_from_db()
    may = actor == Role.OWNER or (actor == Role.ADMIN and Role.OWNER not in {target, wanted})
    assert is_allowed is may
    assert row.role == (wanted if may else target)


@pytest.mark.parametrize("actor", ROLES)
@pytest.mark.parametrize("target", ROLES)
def test_only_those_above_or_beside_remove_a_member(
    acme: Project, actor: Role, target: Role
) -> None:
    own, _ = sitting(acme, actor)
    _, row = sitting(acme, target)

    is_allowed = allowed(lambda: members.remove_member(seat=own, member=row))

    may = actor == Role.OWNER or (actor == Role.ADMIN and target != Role.OWNER)
    assert is_allowed is may
    assert Membership.objects.filter(pk=row.pk).exists() is not may


def test_last_owner_can_neither_leave_nor_step_down_nor_be_removed(
    ada: User, acme: Project
) -> None:
    own = access.seat(ada, acme.public_id)
    row = Membership.objects.get(project=acme, user=ada)

    with pytest.raises(LastOwner):
        members.leave(seat=own)
    with pytest.raises(LastOwner):
        members.change_role(seat=own, member=row, role=Role.ADMIN)
    with pytest.raises(LastOwner):
        members.remove_member(seat=own, member=row)

    row.refresh_from_db()
    assert row.role == "owner"
    assert not AuditEntry.objects.filter(object_kind="member").exists()


def test_owner_beside_another_may_leave(ada: User, acme: Project) -> None:
    sitting(acme, Role.OWNER)

    members.leave(seat=access.seat(ada, acme.public_id))

    assert not Membership.objects.filter(project=acme, user=ada).exists()
    assert AuditEntry.objects.get(action="member.left").actor_name == ada.email


@pytest.mark.slow  # Two transactions really run at once.
@pytest.mark.django_db(transaction=True)
def test_two_owners_who_remove_each_other_at_once_leave_one() -> None:
    first, second = make_user(), make_user()
    project = make_project(owner=first)
    rows = [Membership.objects.get(project=project), seat(project, second, Role.OWNER)]
    seats = [access.seat(user, project.public_id) for user in (first, second)]
    together = Barrier(2)

    def remove(number: int) -> bool:
        try:
            together.wait(5)
            return allowed(
                lambda: members.remove_member(seat=seats[number], member=rows[1 - number])
            )
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        outcomes = sorted(pool.map(remove, (0, 1)))

    assert outcomes == [False, True]
    assert Membership.objects.filter(project=project, role="owner").count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM projects_membership", "UPDATE projects_membership SET role = 'admin'"],
)
def test_database_itself_keeps_the_last_owner(statement: str) -> None:
    project = make_project()

    with (
        pytest.raises(DatabaseError, match="at least one owner"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)

    assert Membership.objects.get(project=project).role == "owner"


def test_transfer_makes_one_owner_and_the_other_admin(ada: User, acme: Project) -> None:
    _, row = sitting(acme, Role.VIEWER)

    members.transfer_ownership(seat=access.seat(ada, acme.public_id), member=row)

    roles = dict(Membership.objects.filter(project=acme).values_list("user__email", "role"))
    assert roles == {ada.email: "admin", row.user.email: "owner"}


@pytest.mark.parametrize("actor", [Role.ADMIN, Role.MEMBER, Role.VIEWER])
def test_transfer_is_the_owners_alone(acme: Project, actor: Role) -> None:
    own, row = sitting(acme, actor)

    with pytest.raises(RoleInsufficient):
        members.transfer_ownership(seat=own, member=row)

    row.refresh_from_db()
    assert row.role == actor


def test_seat_taken_at_the_door_is_worth_nothing_after_a_demotion(ada: User, acme: Project) -> None:
    admin, row = sitting(acme, Role.ADMIN)
    _, other = sitting(acme, Role.MEMBER)
    members.change_role(seat=access.seat(ada, acme.public_id), member=row, role=Role.VIEWER)

    with pytest.raises(RoleInsufficient):
        members.remove_member(seat=admin, member=other)

    assert Membership.objects.filter(pk=other.pk).exists()


def test_removed_admins_open_invitations_are_taken_back(ada: User, acme: Project) -> None:
    admin, row = sitting(acme, Role.ADMIN)
    invitations.invite(seat=admin, email="second-self@example.com", role=Role.ADMIN)

    members.remove_member(seat=access.seat(ada, acme.public_id), member=row)

    assert Invitation.objects.get().revoked_at is not None


def test_member_removed_meanwhile_is_unknown(ada: User, acme: Project) -> None:
    _, row = sitting(acme, Role.MEMBER)
    own = access.seat(ada, acme.public_id)
    Membership.objects.filter(pk=row.pk).delete()

    with pytest.raises(MemberUnknown):
        members.remove_member(seat=own, member=row)


def test_key_acts_as_admin_and_not_as_owner(ada: User, acme: Project) -> None:
    key = access.Seat(acme, Role.ADMIN, Actor(ActorKind.KEY, "key_x", "ci"))
    owner = Membership.objects.get(project=acme, user=ada)
    _, row = sitting(acme, Role.MEMBER)

    with pytest.raises(RoleInsufficient):
        members.remove_member(seat=key, member=owner)
    with pytest.raises(RoleInsufficient):
        members.change_role(seat=key, member=row, role=Role.OWNER)
    with pytest.raises(RoleInsufficient):
        members.leave(seat=key)
    with pytest.raises(RoleInsufficient):
        members.transfer_ownership(seat=key, member=row)

    row.refresh_from_db()
    assert row.role == "member"
