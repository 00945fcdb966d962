"""The catalog from the shell: listed, added to, changed, and withdrawn from."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from agents.models import Agent
from audit.models import AuditEntry
from catalog import selectors
from catalog.models import CatalogModel
from common.models import OutboxEntry
from projects.models import Project
from tests.make import make_agent, make_endpoint, make_model, make_worker

pytestmark = pytest.mark.django_db

NAME = "Qwen/Qwen2.5-7B"


def models(*said: str) -> str:
    told = StringIO()
    call_command("models", *said, stdout=told)
    return told.getvalue()


def test_model_is_added_with_what_was_said_of_it_and_its_name_as_title(tmp_path: Path) -> None:
    card = tmp_path / "card.md"
    card.write_text("**Seven** billion.")

    models(
        *("add", NAME, "--task", "generate", "--context", "32768", "--size", "15.2"),
        *("--formats", "safetensors, gguf,gguf", "--card", str(card)),
        *("--defaults", '{"temperature": 0.7}'),
    )

    model = CatalogModel.objects.get()
    assert (model.name, model.title, model.task) == (NAME, NAME, "generate")
    assert (model.context_length, model.size_bytes) == (32_768, 15_200_000_000)
    assert model.formats == ["safetensors", "gguf"]
    assert (model.card, model.defaults) == ("**Seven** billion.", {"temperature": 0.7})
    assert AuditEntry.objects.get().action == "model.added"


def test_change_touches_nothing_that_was_not_said_and_is_told_to_the_gateways() -> None:
    before = make_model()
    OutboxEntry.objects.all().delete()

    models("set", before.name.upper(), "--context", "4096")

    after = CatalogModel.objects.get()
    assert (after.context_length, after.version) == (4096, before.version + 1)
    assert (after.title, after.tags) == (before.title, before.tags)
    assert OutboxEntry.objects.get().topic == "model"


def test_withdrawn_model_is_offered_no_more_until_it_is_listed_again(acme: Project) -> None:
    make_endpoint(acme, "chat")
    name = make_model().name

    told = models("withdraw", name)

    assert "1 endpoints of 1 projects have it, and keep it" in told
    assert selectors.listed_model(name) is None
    models("set", name, "--listed")
    assert selectors.listed_model(name) is not None


def test_list_says_what_serves_each_model_and_who_has_it(acme: Project) -> None:
    make_endpoint(acme, "chat")
    make_worker()
    make_model("all-minilm-l6-v2")
    models("withdraw", "all-minilm-l6-v2")

    lines = {line.split()[0]: line for line in models("list").splitlines()}

    assert "1 live machines  1 endpoints" in lines["smollm2-135m-instruct"]
    assert "withdrawn" in lines["all-minilm-l6-v2"]


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        (("add", NAME), "--task"),
        (("add", NAME, "--task", "draw"), "generate"),
        (("add", "two words", "--task", "generate"), "Use letters"),
        (("add", "SMOLLM2-135M-instruct", "--task", "generate"), "has a model"),
        (("set", "no-such", "--context", "1"), "It has: smollm2-135m-instruct"),
        (("set", "smollm2-135m-instruct"), "Say what is to change"),
        (("set", "smollm2-135m-instruct", "--context", "many"), "--context: 'many'"),
        (("set", "smollm2-135m-instruct", "--context", "0"), "--context: From 1"),
        (("set", "smollm2-135m-instruct", "--size", "big"), "--size: Write the size in GB"),
        (("set", "smollm2-135m-instruct", "--size", "-1"), "argument --size|in GB"),
        (("set", "smollm2-135m-instruct", "--title", " "), "--title: Write something"),
        (("set", "smollm2-135m-instruct", "--tags", "x" * 41), "--tags: A word has 1 to 40"),
        (("set", "smollm2-135m-instruct", "--defaults", "{"), "--defaults: this is no JSON"),
        (("set", "smollm2-135m-instruct", "--defaults", "[]"), "--defaults: Write fields"),
        (("set", "smollm2-135m-instruct", "--card", "/no/such"), "--card: /no/such can't be read"),
        (("withdraw", "no-such"), "The catalog has no"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_that_names_the_option(
    said: tuple[str, ...], fault: str
) -> None:
    before = make_model()

    with pytest.raises(CommandError, match=fault):
        models(*said)

    after = CatalogModel.objects.get()
    assert after.version == before.version


def test_models_of_machines_are_told_with_the_line_that_adds_them(acme: Project) -> None:
    make_agent(acme, name="gpu-1")
    make_agent(name="gpu-2")
    said = {"name": NAME, "task": "generate", "context": 32768, "size_bytes": 15_200_000_000}
    Agent.objects.update(reported={"models": [said, {**said, "name": "z model"}]})

    first, line, _, fault = models("reported").splitlines()

    assert first == f"{NAME}, on gpu-1 (acme), gpu-2 (shared)"
    assert line == f"  models add {NAME} --task generate --context 32768 --size 15.2"
    assert "is none of them" in fault
    models(*line.split()[1:])
    assert NAME not in models("reported")
