"""The console's form of a model takes sizes in GB and lists with commas, and says so."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from agents.models import Agent
from audit.models import AuditEntry
from catalog.models import CatalogModel
from projects.models import Project
from tests.make import make_agent, make_model

pytestmark = pytest.mark.django_db

ADD = "admin:catalog_catalogmodel_add"
NEW: dict[str, Any] = {
    "name": "Qwen/Qwen2.5-7B",
    "title": "Qwen2.5 7B",
    "task": "generate",
    "size": "15.2",
    "context_length": "32768",
    "formats": "safetensors, gguf, gguf",
    "tags": "chat",
    "capabilities": "chat, streaming",
    "defaults": "{}",
    "is_listed": "on",
}


def test_model_is_added_as_people_write_it(as_operator: Client) -> None:
    page = as_operator.get(reverse(ADD)).content.decode()

    assert "Words with commas between them, such as gguf, safetensors" in page
    assert "Size in GB" in page
    assert as_operator.post(reverse(ADD), NEW).status_code == 302
    model = CatalogModel.objects.get()
    assert (model.size_bytes, model.formats) == (15_200_000_000, ["safetensors", "gguf"])
    assert AuditEntry.objects.get().action == "model.added"


def test_form_sent_back_as_it_was_shown_changes_nothing(as_operator: Client) -> None:
    before = make_model()
    page = reverse("admin:catalog_catalogmodel_change", args=[before.pk])
    form = as_operator.get(page).context["adminform"].form
    said = {name: form[name].value() for name in form.fields}

    as_operator.post(page, {name: value for name, value in said.items() if value is not None})

    after = CatalogModel.objects.get()
    assert after.version == before.version + 1
    for name in ("title", "size_bytes", "context_length", "formats", "tags", "capabilities"):
        assert getattr(after, name) == getattr(before, name)


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        ("size", "big", "Write the size in GB"),
        ("context_length", "0", "From 1 to"),
        ("tags", "x" * 41, "A word has 1 to 40 characters"),
        ("defaults", "[1]", "as a JSON object"),
        ("name", "two words", "Use letters"),
    ],
)
def test_fault_stands_at_its_field(as_operator: Client, field: str, value: str, fault: str) -> None:
    page = as_operator.post(reverse(ADD), {**NEW, field: value})

    assert not CatalogModel.objects.exists()
    assert fault in str(page.context["adminform"].form.errors[field])


def test_model_of_a_name_that_is_taken_in_other_capitals_is_refused(as_operator: Client) -> None:
    make_model()

    page = as_operator.post(reverse(ADD), {**NEW, "name": "SmolLM2-135M-Instruct"})

    assert page.status_code == 200
    assert CatalogModel.objects.count() == 1


def test_chosen_models_are_withdrawn_from_the_list(as_operator: Client) -> None:
    model = make_model()

    as_operator.post(
        reverse("admin:catalog_catalogmodel_changelist"),
        {"action": "withdraw", "_selected_action": [model.pk]},
    )

    assert not CatalogModel.objects.get().is_listed


def test_model_of_a_machine_is_one_filled_in_form_away_from_the_catalog(
    as_operator: Client, acme: Project
) -> None:
    for name in ("gpu-1", "gpu-2", "gpu-3", "gpu-4"):
        make_agent(acme, name=name)
    said = {"task": "embed", "context": 512, "size_bytes": 15_200_000_000}
    known = {"name": "Qwen/E-7B", **said, "operations": ["embeddings", "score"]}
    Agent.objects.update(reported={"models": [known, {"name": "z model", **said}]})

    front = as_operator.get(reverse("admin:index"))

    card, unfit = front.context["cards"]
    assert card.machines == "gpu-1 (acme), gpu-2 (acme), gpu-3 (acme) and 1 more"
    assert "It can’t be added under this name" in front.content.decode()
    assert unfit.fault
    form = as_operator.get(card.link).context["adminform"].form
    filled = {name: form[name].value() for name in form.fields}
    told = {name: value for name, value in filled.items() if value not in {None, False}}
    assert as_operator.post(reverse(ADD), told).status_code == 302
    model = CatalogModel.objects.get()
    assert (model.name, model.title, model.task) == ("Qwen/E-7B", "E-7B", "embed")
    assert (model.context_length, model.size_bytes) == (512, 15_200_000_000)
    assert model.capabilities == ["embeddings", "score"]
    assert [one.name for one in as_operator.get(reverse("admin:index")).context["cards"]] == [
        "z model"
    ]
