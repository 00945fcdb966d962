"""Changes to projects and seats. Nothing else in the code base writes these rows."""

from __future__ import annotations

import re

from django.db import IntegrityError, transaction

from accounts.models import User
from audit import services as audit
from common import ids
from common.actor import SYSTEM, Actor
from projects import rules, selectors
from projects.errors import ProjectSlugMalformed, ProjectSlugTaken
from projects.models import Membership, Project
from projects.rules import Role


def open_project(*, owner: User, name: str, slug: str, by: Actor = SYSTEM) -> Project:
    """Open a project with one owner. Its id and slug are permanent.

    Raises ``ProjectSlugMalformed`` or ``ProjectSlugTaken``.
    """
    if not re.match(rules.SLUG, slug):
        raise ProjectSlugMalformed(
            "A project slug has 2 to 32 lower-case letters, digits and hyphens, "
            "and starts with a letter.",
            param="slug",
        )
    try:
        with transaction.atomic():
            project = Project.objects.create(name=name, slug=slug)
            Membership.objects.create(project=project, user=owner, role=Role.OWNER)
            audit.record(
                by=by,
                action="project.opened",
                project=project.public_id,
                subject=("project", project.public_id),
                after={"name": name, "slug": slug, "owner": owner.email},
            )
    except IntegrityError as clash:
        raise ProjectSlugTaken(f"The slug “{slug}” is taken.", param="slug") from clash
    return project


def open_first_project(*, user: User, by: Actor = SYSTEM) -> Project:
    """Give a person who has no seat yet a project of their own; otherwise return their first.

    Two tabs may ask at once: the person's row is locked, so there is only ever one.
    """
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        seat = selectors.seats_of(user).first()
        if seat is not None:
            return seat.project
        local_part = user.email.partition("@")[0]
        slug = _free_slug(rules.slug_from(local_part))
        return open_project(owner=user, name=user.name or local_part, slug=slug, by=by)


def _free_slug(wish: str) -> str:
    if not Project.objects.filter(slug=wish).exists():
        return wish
    return f"{wish}-{ids.random_base62(5).lower()}"


def rename_project(*, project: Project, name: str, by: Actor = SYSTEM) -> None:
    """Change the name people see; id and slug stay."""
    with transaction.atomic():
        Project.objects.filter(pk=project.pk).update(name=name)
        audit.record(
            by=by,
            action="project.renamed",
            project=project.public_id,
            subject=("project", project.public_id),
            before={"name": project.name},
            after={"name": name},
        )
