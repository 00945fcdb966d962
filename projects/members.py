"""Changes to seats. Nothing else in the code base writes these rows.

The project's row is the lock: who may do it, and whether an owner stays, is asked again
inside, so that two people who demote each other at once can't both succeed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.db import transaction

from accounts import departures
from audit import services as audit
from projects import invitations, rules, selectors
from projects.errors import LastOwner, MemberUnknown, RoleInsufficient
from projects.models import Membership
from projects.rules import Role

if TYPE_CHECKING:
    from accounts.models import User
    from projects.access import Seat


def change_role(*, seat: Seat, member: Membership, role: Role) -> None:
    """Give a member another role.

    Raises ``RoleInsufficient`` (nobody hands out or takes away more than they have),
    ``LastOwner`` or ``MemberUnknown``.
    """
    with _seats_locked(seat) as acting:
        held = _again(member)
        if not rules.may_touch(acting, held.role) or not rules.may_hand_out(acting, role):
            raise RoleInsufficient(f"As {acting} you can't make this {held.role} {role}.")
        _move(seat, held, role)


def remove_member(*, seat: Seat, member: Membership, keeps_keys: bool = False) -> None:
    """Take somebody's seat away, and what they made with it: their keys and invitations.

    With ``keeps_keys`` the keys go on, and whoever removes them answers for these from now
    on. Raises what ``change_role`` raises.
    """
    with _seats_locked(seat) as acting:
        held = _again(member)
        if not rules.may_touch(acting, held.role):
            raise RoleInsufficient(f"As {acting} you can't remove this {held.role}.")
        heir = (seat.maker or _an_owner(held)) if keeps_keys else None
        _unseat(seat, held, "member.removed", heir)


def leave(*, seat: Seat, keeps_keys: bool = False) -> None:
    """Give up one's own seat; one's keys are revoked, or an owner answers for them.

    Raises ``LastOwner``, or ``RoleInsufficient`` for a key.
    """
    if seat.user is None:
        raise RoleInsufficient("A key has no seat to leave.")
    with _seats_locked(seat):
        held = selectors.seat_in(project=seat.project, user=seat.user)
        if held is None:
            raise MemberUnknown("You have no seat in this project.")
        _unseat(seat, held, "member.left", _an_owner(held) if keeps_keys else None)


def transfer_ownership(*, seat: Seat, member: Membership) -> None:
    """Make another member owner and become admin oneself.

    Raises ``RoleInsufficient`` if the giver is no owner, or ``MemberUnknown``.
    """
    with _seats_locked(seat) as acting:
        held = _again(member)
        if acting != Role.OWNER or seat.user is None:
            raise RoleInsufficient("Only an owner can hand a project over.")
        if held.user_id == seat.user.pk:
            return
        _set(held, Role.OWNER)
        own = Membership.objects.get(project=seat.project, user=seat.user)
        _set(own, Role.ADMIN)
        _note(seat, held, "project.transferred", {}, {"owner": held.user.email})


@contextmanager
def _seats_locked(seat: Seat) -> Iterator[str]:
    """Lock the project's seats and yield the role the acting one has by now."""
    with transaction.atomic():
        selectors.locked(seat.project)
        if seat.maker is None:
            yield seat.role
            return
        held = selectors.seat_in(project=seat.project, user=seat.maker)
        if held is None:
            raise RoleInsufficient("You have no seat in this project any more.")
        yield rules.lesser(seat.role, held.role) if seat.user is None else held.role


def _again(member: Membership) -> Membership:
    held = Membership.objects.select_related("user", "project").filter(pk=member.pk).first()
    if held is None:
        raise MemberUnknown("This project has no such member.")
    return held


def _move(seat: Seat, held: Membership, role: Role) -> None:
    before = held.role
    if before == role:
        return
    if before == Role.OWNER:
        _check_owner_stays(held)
    _set(held, role)
    if not rules.is_at_least(role, Role.ADMIN):
        invitations.withdraw(user=held.user, project_pk=held.project_id, heir=None, by=seat.actor)
    _note(seat, held, "member.role_changed", {"role": before}, {"role": role})


def _unseat(seat: Seat, held: Membership, action: str, heir: User | None) -> None:
    if held.role == Role.OWNER:
        _check_owner_stays(held)
    _note(seat, held, action, {"role": held.role}, {})
    Membership.objects.filter(pk=held.pk).delete()
    departures.end_authority(user=held.user, project_pk=held.project_id, heir=heir, by=seat.actor)


def _an_owner(held: Membership) -> User | None:
    """Return the owner who has been there longest, other than the one who goes."""
    seats = selectors.members_of(project=held.project).filter(role=Role.OWNER)
    longest = seats.exclude(pk=held.pk).first()
    return longest.user if longest else None


def _set(held: Membership, role: Role) -> None:
    Membership.objects.filter(pk=held.pk).update(role=role)
    held.role = role


def _check_owner_stays(held: Membership) -> None:
    others = Membership.objects.filter(project=held.project_id, role=Role.OWNER)
    if not others.exclude(pk=held.pk).exists():
        raise LastOwner("A project needs an owner: make somebody else owner first.")


def _note(
    seat: Seat, held: Membership, action: str, before: dict[str, str], after: dict[str, str]
) -> None:
    audit.record(
        by=seat.actor,
        action=action,
        project=seat.project.public_id,
        subject=("member", held.public_id),
        before=before,
        after={"email": held.user.email, **after},
    )
