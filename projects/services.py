"""Changes to projects. Nothing else in the code base writes these rows.

Seats are changed in ``members``, invitations in ``invitations``.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import IntegrityError, transaction

from accounts import selectors as accounts
from accounts.models import User
from audit import services as audit
from common import clock, ids, outbox
from common.actor import SYSTEM, Actor
from common.names import check_name
from inference.contracts.origins import is_origin
from projects import rules, selectors
from projects.errors import (
    OriginMalformed,
    ProjectNotMarked,
    ProjectSlugMalformed,
    ProjectSlugTaken,
    SecondFactorRequired,
    SlugNotConfirmed,
    TooManyProjects,
)
from projects.models import Invitation, Membership, Project
from projects.rules import Role

if TYPE_CHECKING:
    from projects.access import Seat

ORIGINS_MAX = 50
GRACE = timedelta(days=7)
"""Between marking a project for deletion and its end."""


def open_project(*, owner: User, name: str, slug: str, by: Actor = SYSTEM) -> Project:
    """Open a project with one owner. Its id and slug are permanent.

    Raises ``NameMalformed``, ``ProjectSlugMalformed``, ``ProjectSlugTaken`` or
    ``TooManyProjects``.
    """
    check_name(name)
    if not re.match(rules.SLUG, slug):
        raise ProjectSlugMalformed(
            "A project slug has 2 to 32 lower-case letters, digits and hyphens, "
            "and starts with a letter.",
            param="slug",
        )
    try:
        with transaction.atomic():
            _check_count(owner)
            project = Project.objects.create(name=name, slug=slug)
            Membership.objects.create(project=project, user=owner, role=Role.OWNER)
            _note(
                project,
                by,
                "project.opened",
                after={"name": name, "slug": slug, "owner": owner.email},
            )
    except IntegrityError as clash:
        raise ProjectSlugTaken(f"The slug “{slug}” is taken.", param="slug") from clash
    return project


def _check_count(owner: User) -> None:
    # Many may be asked for at once: the person's row is the lock that makes the count true.
    User.objects.select_for_update().get(pk=owner.pk)
    owned = selectors.owned_by(owner)
    if owned.count() >= settings.PROJECTS_PER_PERSON:
        raise TooManyProjects(
            f"You own {settings.PROJECTS_PER_PERSON} projects, the most one person may. Delete "
            "one or hand it over, or ask the operator for more."
        )
    day_ago = clock.now() - timedelta(days=1)
    if owned.filter(created_at__gt=day_ago).count() >= settings.PROJECTS_PER_DAY:
        raise TooManyProjects(
            f"You opened {settings.PROJECTS_PER_DAY} projects within a day. Open the next tomorrow."
        )


def free_slug(words: str) -> str:
    """Return a slug nobody has, made of somebody's words: an offer, not a promise."""
    wish = rules.slug_from(words)
    if not Project.objects.filter(slug=wish).exists():
        return wish
    return f"{wish}-{ids.random_base62(5).lower()}"


def rename_project(*, project: Project, name: str, by: Actor = SYSTEM) -> None:
    """Change the name people see; id and slug stay. Raises ``NameMalformed``."""
    check_name(name)
    _change(project, by, "project.renamed", name=name)


def require_second_factor(*, seat: Seat, is_required: bool) -> None:
    """Let in only people who have a second factor, or everybody again.

    Raises ``SecondFactorRequired`` for a person who would lock themselves out.
    """
    has_one = seat.user is not None and accounts.has_second_factor(seat.user)
    if is_required and not has_one:
        raise SecondFactorRequired("Set up a second factor yourself before you ask others to.")
    action = "project.second_factor_required" if is_required else "project.second_factor_optional"
    _change(seat.project, seat.actor, action, requires_second_factor=is_required)


def allow_origins(*, project: Project, origins: list[str], by: Actor = SYSTEM) -> None:
    """Let pages of these origins, and of no others, read what the endpoints answer.

    Raises ``OriginMalformed``.
    """
    wanted = list(dict.fromkeys(origin.strip().rstrip("/").lower() for origin in origins))
    for origin in wanted:
        if not is_origin(origin):
            raise OriginMalformed(
                f"“{origin}” is no origin. Write it as the browser does: a scheme, a host and "
                "perhaps a port, such as https://app.example.org. * is every page there is.",
                param="origins",
            )
    if len(wanted) > ORIGINS_MAX:
        raise OriginMalformed(f"A project lists {ORIGINS_MAX} origins at most.", param="origins")
    if wanted == project.origins:
        return
    with transaction.atomic():
        _change(project, by, "project.origins_changed", origins=wanted)
        outbox.announce("project", project.pk)


def mark_for_deletion(*, project: Project, slug: str, by: Actor = SYSTEM) -> None:
    """Close a project: its keys stop within a second; after seven days it is gone for good.

    Until then it can be looked at and restored. Marking twice keeps the first moment.
    Raises ``SlugNotConfirmed`` if ``slug`` is not the project's.
    """
    if slug != project.slug:
        raise SlugNotConfirmed("Repeat the project's slug to delete it.", param="slug")
    with transaction.atomic():
        if selectors.locked(project).delete_after is None:
            after = clock.now() + GRACE
            _change(project, by, "project.marked_for_deletion", delete_after=after)
            outbox.announce("project", project.pk)


def restore_project(*, project: Project, by: Actor = SYSTEM) -> None:
    """Take the mark away; keys and endpoints work as before. Raises ``ProjectNotMarked``."""
    with transaction.atomic():
        found = selectors.locked(project)
        if found.delete_after is None or found.purged_at is not None:
            raise ProjectNotMarked("This project is not marked for deletion.")
        _change(project, by, "project.restored", delete_after=None)
        outbox.announce("project", project.pk)


def purge_due() -> int:
    """End the projects whose seven days are over; return how many. Their usage stays."""
    now = clock.now()
    due = Project.objects.filter(delete_after__lte=now, purged_at=None)
    count = 0
    with transaction.atomic():
        for project in due.select_for_update(skip_locked=True):
            _change(project, SYSTEM, "project.purged", purged_at=now)
            Membership.objects.filter(project=project).delete()
            Invitation.objects.filter(project=project).delete()
            count += 1
    return count


def _change(project: Project, by: Actor, action: str, **changes: Any) -> None:
    """Change columns and say so, before and after; ``project`` itself learns of it, too."""
    before = {name: getattr(project, name) for name in changes}
    with transaction.atomic():
        Project.objects.filter(pk=project.pk).update(**changes)
        _note(project, by, action, before=before, after=changes)
    for name, value in changes.items():
        setattr(project, name, value)


def _note(
    project: Project,
    by: Actor,
    action: str,
    *,
    after: dict[str, Any],
    before: dict[str, Any] | None = None,
) -> None:
    audit.record(
        by=by,
        action=action,
        project=project.public_id,
        subject=("project", project.public_id),
        before=before,
        after=after,
    )
