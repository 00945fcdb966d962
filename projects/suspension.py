"""Shutting a tenant, or a person, for a reason and a time: what operators alone do and undo.

A suspended project answers no request and changes nothing; its people can look at it and read
why. A suspended person can't sign in, and the projects that they alone own are shut with them;
in projects with another owner their keys go on, because those are the team's.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from accounts import services as accounts
from accounts.models import User
from audit import services as audit
from common import clock, outbox
from common.actor import SYSTEM, Actor
from projects import selectors
from projects.errors import NotSuspended, SuspensionMalformed
from projects.models import Project


def suspend_project(*, project: Project, reason: str, until: datetime | None, by: Actor) -> None:
    """Shut a project: its keys are refused within a second. Again replaces reason and end.

    Raises ``SuspensionMalformed``.
    """
    _check(reason, until)
    with transaction.atomic():
        selectors.locked(project)
        _shut(project, reason, until, by, with_person=None)


def lift_project(*, project: Project, by: Actor) -> None:
    """Open a project again, as it was before. Raises ``NotSuspended``."""
    with transaction.atomic():
        if selectors.locked(project).suspended_at is None:
            raise NotSuspended("This project is not suspended.")
        _open(project, by)


def suspend_person(*, user: User, reason: str, until: datetime | None, by: Actor) -> list[Project]:
    """Shut a person out, and the projects that they alone own; return those.

    A project that was suspended already stays as it is. Raises ``SuspensionMalformed``, and
    ``LastOperator`` when nobody could open the console afterwards.
    """
    _check(reason, until)
    with transaction.atomic():
        accounts.shut_out(user=user, reason=reason, until=until, by=by)
        shut = [
            project
            for project in selectors.owned_alone_by(user)
            if selectors.locked(project).suspended_at is None
        ]
        for project in shut:
            _shut(project, reason, until, by, with_person=user)
    return shut


def lift_person(*, user: User, by: Actor) -> None:
    """Let a person in again, and open what was shut with them. Raises ``NotSuspended``."""
    with transaction.atomic():
        if not accounts.let_in(user=user, by=by):
            raise NotSuspended("This person is not suspended.")
        for project in Project.objects.filter(suspended_with=user).select_for_update():
            _open(project, by)


def lift_due() -> int:
    """Lift the suspensions whose end has come; return how many."""
    now = clock.now()
    count = 0
    for user in User.objects.filter(suspended_until__lte=now):
        lift_person(user=user, by=SYSTEM)
        count += 1
    for project in Project.objects.filter(suspended_until__lte=now):
        lift_project(project=project, by=SYSTEM)
        count += 1
    return count


def _check(reason: str, until: datetime | None) -> None:
    if not reason.strip():
        raise SuspensionMalformed("Say why: the people concerned read it.", param="reason")
    if until is not None and until <= clock.now():
        raise SuspensionMalformed("Choose an end that is still to come, or none.", param="until")


def _shut(
    project: Project, reason: str, until: datetime | None, by: Actor, *, with_person: User | None
) -> None:
    said = {"suspension_reason": reason.strip(), "suspended_until": until}
    more = {"suspended_at": clock.now(), "suspended_by": by.name, "suspended_with": with_person}
    _write(project, by, "project.suspended", {**said, **more})


def _open(project: Project, by: Actor) -> None:
    empty = {"suspension_reason": "", "suspended_by": ""}
    moments = {"suspended_at": None, "suspended_until": None, "suspended_with": None}
    _write(project, by, "project.suspension_lifted", {**empty, **moments})


def _write(project: Project, by: Actor, action: str, changes: dict[str, object]) -> None:
    Project.objects.filter(pk=project.pk).update(**changes)
    audit.record(
        by=by,
        action=action,
        project=project.public_id,
        subject=("project", project.public_id),
        after={
            "reason": changes["suspension_reason"],
            "until": changes["suspended_until"],
        },
    )
    outbox.announce("project", project.pk)
    for name, value in changes.items():
        setattr(project, name, value)
