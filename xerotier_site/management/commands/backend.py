"""Register, list and move workers known by their URL."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from django.core.management.base import BaseCommand, CommandError, CommandParser

from agents import asking, rules, selectors, services
from agents.asking import Found, Served
from agents.models import CacheScope, Worker
from catalog import selectors as catalog
from common.problems import Problem
from endpoints.selectors import left_without
from inference.contracts.addresses import EVERYWHERE
from xerotier_site.management.named import named_project

FREE = "free"


class Command(BaseCommand):
    """``manage.py backend list | add URL --model NAME | set WORKER --cache WHOSE | retire ID``."""

    help = "List workers, register an OpenAI-compatible server as one, change or retire one."

    def add_arguments(self, parser: CommandParser) -> None:
        """Describe the verbs."""
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
            "--cache",
            choices=CacheScope.values,
            default=CacheScope.NONE,
            help="whose prompts its prefix cache may join",
        )
        add.add_argument("--force", action="store_true", help="add it without asking it first")
        add.add_argument(
            "--key-from-stdin", action="store_true", help="read its credential from standard input"
        )
        verbs.add_parser("list", help="list the workers")
        change = verbs.add_parser("set", help="say anew whose its prefix cache is")
        change.add_argument("--cache", choices=CacheScope.values, required=True)
        retire = verbs.add_parser("retire", help="take one out for good")
        retire.add_argument("--force", action="store_true", help="although endpoints stop")
        for verb in (change, retire):
            verb.add_argument("worker", help="its id (wrk_…) or its name")

    def handle(self, *_args: Any, verb: str, **options: Any) -> None:
        """Run the verb."""
        verbs: dict[str, Callable[[dict[str, Any]], None]] = {
            "list": self._list,
            "add": self._add,
            "set": self._set,
            "retire": self._retire,
        }
        try:
            verbs[verb](options)
        except Problem as problem:
            raise CommandError(problem.message) from problem

    def _add(self, options: dict[str, Any]) -> None:
        model = catalog.listed_model(options["model"])
        if model is None:
            known = ", ".join(found.name for found in catalog.listed_models())
            raise CommandError(f"The catalog has no {options['model']!r}. It has: {known}.")
        project = named_project(options["project"])
        credential = sys.stdin.readline().strip() if options["key_from_stdin"] else ""
        found = None if options["force"] else self._ask(options["url"], credential)
        served = _served(found, options["served_name"] or model.name)
        spoken = rules.operations_of(model.task, found.operations if found else ())
        enrolment = services.Enrolment(
            name=options["name"] or urlsplit(options["url"]).netloc,
            url=found.url if found else options["url"],
            model_name=model.name,
            operations=options["operation"] or spoken,
            credential=credential,
            served_name=served.name if served else options["served_name"],
            slots=options["slots"],
            project=project,
            tiers=() if project else options["tier"] or [FREE],
            engine=served.engine if served else "",
            context_length=served.context_length if served else None,
            cache_scope=options["cache"],
        )
        worker = services.add_worker(enrolment)
        self.stdout.write(f"{worker.public_id} serves {worker.model_name} at {worker.url}")

    def _ask(self, url: str, credential: str) -> Found:
        found = asking.ask(url, credential, EVERYWHERE)
        if found.fault:
            raise CommandError(f"{found.fault} To add it all the same: --force.")
        if found.url != url.rstrip("/"):
            self.stdout.write(f"It answers at {found.url}, which is taken.")
        self.stdout.write(f"It serves: {', '.join(one.name for one in found.models)}.")
        self.stdout.write(f"It speaks: {', '.join(found.operations) or 'nothing we know'}.")
        return found

    def _set(self, options: dict[str, Any]) -> None:
        worker = _worker(options["worker"])
        services.change_worker(worker=worker, cache_scope=options["cache"])
        self.stdout.write(f"The prefix cache of {worker.name} is declared “{options['cache']}”.")

    def _retire(self, options: dict[str, Any]) -> None:
        worker = _worker(options["worker"])
        losing = left_without([worker])
        for one in losing:
            self.stdout.write(f"{one.project.slug}/{one.slug} loses its last worker.")
        if losing and not options["force"]:
            raise CommandError(f"{len(losing)} endpoints would stop. All the same: --force.")
        services.retire_worker(worker=worker)
        self.stdout.write(f"{worker.name} is retired.")

    def _list(self, _options: dict[str, Any]) -> None:
        for worker in selectors.all_workers():
            self.stdout.write(self._line(worker))

    def _line(self, worker: Worker) -> str:
        whose = worker.project.slug if worker.project else ",".join(worker.tiers)
        cache = f"cache: {worker.cache_scope}"
        url = worker.backend.url if worker.backend else worker.url
        first = f"{worker.public_id}  {worker.state:9}  {worker.model_name}  {url}"
        return f"{first}  {whose}  {cache}"


def _served(found: Found | None, wished: str) -> Served | None:
    if found is None:
        return None
    served = found.best(wished)
    if served is None:
        raise CommandError(
            f"It does not serve {wished!r}. Say which of its models is meant: --served-name NAME."
        )
    return served


def _worker(named: str) -> Worker:
    worker = selectors.worker_by_id(named) or selectors.worker_by_name(named)
    if worker is None:
        raise CommandError(f"There is no worker {named!r}: see backend list.")
    return worker
