"""Every command that a page shows exists and takes what the page gives it; some are run."""

from __future__ import annotations

import re
import shlex
from io import StringIO

import pytest
from django.core.management import call_command, get_commands, load_command_class
from django.core.management.base import BaseCommand

from catalog.models import CatalogModel
from tests.docs.test_snippets import PAGES, ROOT
from tests.make import make_tier

SHOWN = re.compile(r"manage\.py ([a-z_]+)([^\n`]*)")
LINE = re.compile(r"^(?:\$ )?\S+/python manage\.py ([a-z_-]+ .*)$", re.MULTILINE)
HISTORY = {"docs/cases.md"}


def lines() -> list[str]:
    texts = ((ROOT / page).read_text(encoding="utf-8") for page in PAGES if page not in HISTORY)
    return sorted({line for text in texts for line in LINE.findall(text)})


def commands_of(page: str) -> list[list[str]]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return [shlex.split(line, comments=True) for line in LINE.findall(text)]


def test_every_command_that_is_named_anywhere_exists() -> None:
    texts = ((ROOT / page).read_text(encoding="utf-8") for page in PAGES if page not in HISTORY)
    named = {name for text in texts for name, _ in SHOWN.findall(text)}

    assert len(named) >= 10
    assert named <= set(get_commands())


@pytest.mark.parametrize("line", lines())
def test_command_takes_what_the_page_gives_it(line: str) -> None:
    name, *said = shlex.split(line, comments=True)
    app = get_commands()[name]
    command = app if isinstance(app, BaseCommand) else load_command_class(app, name)

    command.create_parser("manage.py", name).parse_args(said)


@pytest.mark.django_db
def test_models_and_tiers_are_changed_as_the_pages_say() -> None:
    make_tier("gpu_nvidia_shared")
    wanted = [*commands_of("docs/workers.md"), *commands_of("docs/money.md")]

    for name, *said in wanted:
        if name in {"models", "tiers"}:
            call_command(name, *said, stdout=StringIO())

    assert CatalogModel.objects.filter(name="Qwen/Qwen2.5-7B", context_length=32_000).exists()
