"""Suspend a tenant or a person, or lift that."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Q

from accounts.models import User
from common.actor import SYSTEM
from common.problems import Problem
from projects import suspension
from projects.models import Project


class Command(BaseCommand):
    """``manage.py suspend WHOM --reason WHY [--until DATE]``, ``manage.py suspend WHOM --lift``."""

    help = (
        "Suspend a project (by id or slug) or a person (by e-mail): keys are refused within a "
        "second, pages become read-only. A person can't sign in, and projects that they alone "
        "own are suspended with them."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Describe whom, why and until when."""
        parser.add_argument("whom", help="proj_…, a project's slug, or a person's e-mail address")
        parser.add_argument("--reason", default="", help="the people concerned read it")
        parser.add_argument(
            "--until", default="", help="2027-01-31 or 2027-01-31T12:00, UTC; none: until lifted"
        )
        parser.add_argument("--lift", action="store_true", help="take the suspension away")

    def handle(self, *_args: Any, whom: str, **said: Any) -> None:
        """Do it and say so."""
        found = _found(whom)
        try:
            if said["lift"]:
                _lift(found)
            else:
                _suspend(found, said["reason"], _moment(said["until"]))
        except Problem as problem:
            raise CommandError(problem.message) from problem
        self.stdout.write(f"{found} is {'open again' if said['lift'] else 'suspended'}.")


def _suspend(found: Project | User, reason: str, until: datetime | None) -> None:
    if isinstance(found, User):
        suspension.suspend_person(user=found, reason=reason, until=until, by=SYSTEM)
    else:
        suspension.suspend_project(project=found, reason=reason, until=until, by=SYSTEM)


def _lift(found: Project | User) -> None:
    if isinstance(found, User):
        suspension.lift_person(user=found, by=SYSTEM)
    else:
        suspension.lift_project(project=found, by=SYSTEM)


def _found(whom: str) -> Project | User:
    if "@" in whom:
        found: Project | User | None = User.objects.filter(email=whom.lower()).first()
    else:
        found = Project.objects.filter(Q(public_id=whom) | Q(slug=whom)).first()
    if found is None:
        raise CommandError(f"There is no project or person {whom!r}.")
    return found


def _moment(text: str) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as fault:
        raise CommandError(f"{text!r} is no date: write 2027-01-31 or 2027-01-31T12:00.") from fault
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
