"""Register, list and move workers known by their URL."""

from __future__ import annotations

import sys
from typing import Any
from urllib.parse import urlsplit

from django.core.management.base import BaseCommand, CommandError, CommandParser

from agents import rules, selectors, services
from agents.models import Worker
from catalog import selectors as catalog
from common.problems import Problem
from projects import selectors as projects
from projects.models import Project

FREE = "free"


class Command(BaseCommand):
    """``manage.py backend add URL --model NAME [--key-from-stdin]``, ``backend list``."""

    help = "Register an OpenAI-compatible server as a shared worker, or list those there are."

    def add_arguments(self, parser: CommandParser) -> None:
        """Describe the two verbs."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        add = verbs.add_parser("add", help="register a server")
        add.add_argument("url", help="base of its OpenAI surface, for example http://host:8000/v1")
        add.add_argument("--model", required=True, help="a name of the catalog")
        add.add_argument("--name", help="name of the worker (default: its host and port)")
        add.add_argument("--served-name", default="", help="what the server calls the model")
        add.add_argument("--tier", action="append", help="a tier it serves (default: free)")
        add.add_argument("--project", help="whose own machine it is (id or slug); it has no tier")
        add.add_argument("--operation", action="append", choices=rules.OPERATIONS)
        add.add_argument("--slots", type=int, help="requests it serves at once")
        add.add_argument(
            "--key-from-stdin", action="store_true", help="read its credential from standard input"
        )
        verbs.add_parser("list", help="list the workers")

    def handle(self, *_args: Any, verb: str, **options: Any) -> None:
        """Run the verb."""
        if verb == "list":
            self._list()
        else:
            self._add(options)

    def _add(self, options: dict[str, Any]) -> None:
        model = catalog.listed_model(options["model"])
        if model is None:
            known = ", ".join(found.name for found in catalog.listed_models())
            raise CommandError(f"The catalog has no {options['model']!r}. It has: {known}.")
        project = _project(options["project"])
        enrolment = services.Enrolment(
            name=options["name"] or urlsplit(options["url"]).netloc,
            url=options["url"],
            model_name=model.name,
            operations=options["operation"] or rules.DEFAULT_OPERATIONS[model.task],
            credential=sys.stdin.readline().strip() if options["key_from_stdin"] else "",
            served_name=options["served_name"],
            slots=options["slots"],
            project=project,
            tiers=() if project else options["tier"] or [FREE],
        )
        try:
            worker = services.add_worker(enrolment)
        except Problem as problem:
            raise CommandError(problem.message) from problem
        self.stdout.write(f"{worker.public_id} serves {worker.model_name} at {worker.url}")

    def _list(self) -> None:
        for worker in selectors.all_workers():
            self.stdout.write(self._line(worker))

    def _line(self, worker: Worker) -> str:
        whose = worker.project.slug if worker.project else ",".join(worker.tiers)
        return f"{worker.public_id}  {worker.state:9}  {worker.model_name}  {worker.url}  {whose}"


def _project(named: str | None) -> Project | None:
    if named is None:
        return None
    found = projects.project_named(named)
    if found is None:
        raise CommandError(f"There is no project {named!r}.")
    return found
