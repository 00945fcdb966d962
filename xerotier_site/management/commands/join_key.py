"""Make, list and revoke the keys that the operator's own machines join with."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from common import clock
from common.problems import Problem
from enrolment import selectors, services
from enrolment.models import JoinKey
from enrolment.services import NewJoinKey
from projects.models import Project
from xerotier_site.management.named import named_project


class Command(BaseCommand):
    """``manage.py join_key make NAME --tier free | list | revoke ID``."""

    help = "Let machines join: make a join key, list them, or revoke one."

    def add_arguments(self, parser: CommandParser) -> None:
        """Describe the verbs."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        make = verbs.add_parser("make", help="make one, and print it this once")
        make.add_argument("name", help="what it is called in lists")
        make.add_argument("--tier", action="append", help="a tier its machines serve")
        make.add_argument("--project", help="whose own machines they are (id or slug), not shared")
        make.add_argument("--uses", type=int, default=1, help="machines it lets in; 0: any number")
        make.add_argument("--days", type=int, help="days until it lets nobody in any more")
        make.add_argument("--pattern", default="", help="how its machines are named, as gpu-*")
        make.add_argument("--region", default="", help="where its machines are")
        make.add_argument("--approve", action="store_true", help="its machines wait for a yes")
        verbs.add_parser("list", help="list the operator's").add_argument("--project")
        revoke = verbs.add_parser("revoke", help="let no more machines in by it")
        revoke.add_argument("id", help="its id (jk_…)")
        revoke.add_argument("--project")

    def handle(self, *_args: Any, verb: str, **options: Any) -> None:
        """Run the verb."""
        verbs: dict[str, Callable[[dict[str, Any]], None]] = {
            "make": self._make,
            "list": self._list,
            "revoke": self._revoke,
        }
        try:
            verbs[verb](options)
        except Problem as problem:
            raise CommandError(problem.message) from problem

    def _make(self, options: dict[str, Any]) -> None:
        days = options["days"]
        new = NewJoinKey(
            name=options["name"],
            project=named_project(options["project"]),
            tiers=options["tier"] or (),
            region=options["region"],
            name_pattern=options["pattern"],
            needs_approval=options["approve"],
            uses_max=options["uses"] or None,
            expires_at=clock.now() + timedelta(days=days) if days is not None else None,
        )
        self.stdout.write(services.issue_join_key(new).secret)

    def _list(self, options: dict[str, Any]) -> None:
        now = clock.now()
        for key in selectors.join_keys_of(project=named_project(options["project"])):
            uses = f"{key.uses} of {key.uses_max or '∞'}"
            tiers = ", ".join(key.tiers) or "–"
            self.stdout.write(f"{key.public_id}  {key.state(now)}  {uses}  {tiers}  {key.name}")

    def _revoke(self, options: dict[str, Any]) -> None:
        key = _key(options["id"], named_project(options["project"]))
        was_open = services.revoke_join_key(join_key=key)
        self.stdout.write("Revoked." if was_open else "It was revoked already.")


def _key(public_id: str, project: Project | None) -> JoinKey:
    key = selectors.join_key_of(project=project, public_id=public_id)
    if key is None:
        raise CommandError(f"There is no join key {public_id}. See: manage.py join_key list")
    return key
