"""Give one tenant other limits than its tier's, until a moment."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Q

from common.actor import SYSTEM
from common.problems import Problem
from endpoints import overrides, selectors
from endpoints.models import Endpoint
from endpoints.rules import LIMITS
from projects.models import Project


class Command(BaseCommand):
    """``manage.py override PROJECT --requests-per-min 500 --reason WHY [--until DATE]``."""

    help = "Raise or lower limits of one project, or of one of its endpoints."

    def add_arguments(self, parser: CommandParser) -> None:
        """Describe whom, what, why and until when."""
        parser.add_argument("project", help="proj_… or the project's slug")
        parser.add_argument("--endpoint", default="", help="a slug; none: all of the project's")
        for name, words in LIMITS.items():
            parser.add_argument(f"--{name.replace('_', '-')}", type=int, help=words)
        parser.add_argument("--reason", default="", help="the project sees this")
        parser.add_argument(
            "--until", default="", help="2027-01-31 or 2027-01-31T12:00, UTC; none: until ended"
        )
        parser.add_argument("--end", action="store_true", help="put the tier's limits back")

    def handle(self, *_args: Any, **said: Any) -> None:
        """Do it and say so."""
        project, endpoint = _found(said["project"], said["endpoint"])
        try:
            if said["end"]:
                overrides.end_override(project=project, endpoint=endpoint, by=SYSTEM)
            else:
                overrides.set_override(
                    project=project,
                    endpoint=endpoint,
                    limits={name: said[name] for name in LIMITS if said[name] is not None},
                    reason=said["reason"],
                    ends_at=_moment(said["until"]),
                    by=SYSTEM,
                )
        except Problem as problem:
            raise CommandError(problem.message) from problem
        whose = f"{project.slug}/{endpoint.slug}" if endpoint else project.slug
        self.stdout.write(
            f"{whose} has {'the limits of its tier' if said['end'] else 'its own limits'} now."
        )


def _found(name: str, slug: str) -> tuple[Project, Endpoint | None]:
    project = Project.objects.filter(Q(public_id=name) | Q(slug=name)).first()
    if project is None:
        raise CommandError(f"There is no project {name!r}.")
    endpoint = selectors.endpoint_of(project=project, slug=slug) if slug else None
    if slug and endpoint is None:
        raise CommandError(f"This project has no endpoint {slug!r}.")
    return project, endpoint


def _moment(text: str) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as fault:
        raise CommandError(f"{text!r} is no date: write 2027-01-31 or 2027-01-31T12:00.") from fault
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
