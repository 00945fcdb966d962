"""See and change which models may be deployed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from agents import cards
from agents import selectors as agents
from catalog import facts, selectors, services
from catalog.models import CatalogModel
from common.problems import Problem
from endpoints import selectors as endpoints

OPTIONS: dict[str, tuple[str, str]] = {
    "title": ("--title", "how people call it (default: its name)"),
    "summary": ("--summary", "one sentence"),
    "card": ("--card", "a file with its description, in Markdown"),
    "family": ("--family", "such as Qwen2.5"),
    "licence": ("--licence", "such as Apache-2.0"),
    "parameters": ("--parameters", "for people: 135M, 7B"),
    "size_bytes": ("--size", "of its weights, in GB, such as 4.7"),
    "context_length": ("--context", "tokens of prompt and answer together, such as 32768"),
    "dimensions": ("--dimensions", "of its embeddings"),
    "formats": ("--formats", "such as gguf,safetensors"),
    "tags": ("--tags", "such as chat,code"),
    "capabilities": ("--capabilities", "such as chat,streaming,tools"),
    "defaults": ("--defaults", "request fields where a caller sends none, as JSON"),
}
"""What may be said of a model → its option, and what that means."""


class Command(BaseCommand):
    """``manage.py models list | reported | add NAME --task TASK | set NAME … | withdraw NAME``."""

    help = "List the models of the catalog, add one, change one, or offer one no more."

    def add_arguments(self, parser: CommandParser) -> None:
        """Describe the verbs."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("list", help="list the models, withdrawn ones too")
        verbs.add_parser("reported", help="list what machines have and the catalog lacks")
        add = verbs.add_parser("add", help="add a model")
        change = verbs.add_parser("set", help="change what is said of one; the rest stays")
        withdraw = verbs.add_parser("withdraw", help="no new endpoints; those there are go on")
        for verb in (add, change, withdraw):
            verb.add_argument("name", help="such as llama-3.1-8b-instruct or Qwen/Qwen2.5-7B")
        for verb in (add, change):
            verb.add_argument("--task", choices=facts.TASKS, required=verb is add)
            for fact, (option, hint) in OPTIONS.items():
                verb.add_argument(option, dest=fact, help=hint)
        change.add_argument("--listed", action="store_true", help="offer a withdrawn one again")

    def handle(self, *_args: Any, verb: str, **options: Any) -> None:
        """Run the verb."""
        verbs: dict[str, Callable[[dict[str, Any]], None]] = {
            "list": self._list,
            "reported": self._reported,
            "add": self._add,
            "set": self._set,
            "withdraw": self._withdraw,
        }
        try:
            verbs[verb](options)
        except Problem as problem:
            where = OPTIONS[problem.param][0] + ": " if problem.param in OPTIONS else ""
            raise CommandError(where + problem.message) from problem

    def _list(self, _options: dict[str, Any]) -> None:
        for model in selectors.all_models():
            machines = len(agents.alive(agents.serving(model.name)))
            count, _ = endpoints.reach_of(model)
            listed = "listed" if model.is_listed else "withdrawn"
            context = f"{model.context_length or '?'} tokens"
            self.stdout.write(
                f"{model.name:32}  {model.task:8}  {listed:9}  {context:14}  "
                f"{facts.write_size(model.size_bytes)} GB  {machines} live machines  "
                f"{count} endpoints"
            )

    def _reported(self, _options: dict[str, Any]) -> None:
        for card in cards.unknown():
            machines = ", ".join(f"{one.name} ({one.project or 'shared'})" for one in card.machines)
            self.stdout.write(f"{card.name}, on {machines}")
            said = f"models add {card.name} --task {card.task}"
            said += f" --context {card.context_length}" if card.context_length else ""
            size = facts.write_size(card.size_bytes) if card.size_bytes else ""
            said += f" --size {size}" if size else ""
            self.stdout.write(f"  {card.fault or said}")

    def _add(self, options: dict[str, Any]) -> None:
        said = {"title": options["name"], **_said(options)}
        model = services.add_model(name=options["name"], said=said)
        self.stdout.write(f"{model.public_id} is {model.name}, a model to {model.task}.")
        self.stdout.write(f"Add a worker that serves it: backend add URL --model {model.name}")

    def _set(self, options: dict[str, Any]) -> None:
        model, changes = _model(options["name"]), _said(options)
        if options["listed"]:
            changes["is_listed"] = True
        if not changes:
            raise CommandError("Say what is to change, for example --context 32768.")
        services.change_model(model=model, changes=changes)
        self.stdout.write(f"Changed of {model.name}: {', '.join(sorted(changes))}.")

    def _withdraw(self, options: dict[str, Any]) -> None:
        model = services.withdraw_model(model=_model(options["name"]))
        count, projects = endpoints.reach_of(model)
        self.stdout.write(f"{model.name} is offered no more.")
        self.stdout.write(f"{count} endpoints of {projects} projects have it, and keep it.")


def _said(options: dict[str, Any]) -> dict[str, Any]:
    texts = {name: options[name] for name in ("task", *OPTIONS) if options[name] is not None}
    return {name: _read(name, text) for name, text in texts.items()}


def _read(name: str, text: str) -> Any:
    if name in facts.WORDS:
        return facts.read_words(text)
    if name == "size_bytes":
        return facts.read_size(text)
    if name in facts.COUNTS:
        return _whole(name, text)
    if name == "defaults":
        return _json(text)
    return _contents(text) if name == "card" else text


def _whole(name: str, text: str) -> int:
    if not text.isdecimal():
        raise CommandError(f"{OPTIONS[name][0]}: {text!r} is no whole number.")
    return int(text)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as fault:
        raise CommandError(f"--defaults: this is no JSON: {fault}") from fault


def _contents(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as fault:
        raise CommandError(f"--card: {path} can't be read: {fault}") from fault


def _model(name: str) -> CatalogModel:
    model = selectors.model_named(name)
    if model is None:
        known = ", ".join(one.name for one in selectors.all_models())
        raise CommandError(f"The catalog has no {name!r}. It has: {known}.")
    return model
