"""A model's life in the catalog: added, changed, withdrawn; told to the data plane, on record."""

from __future__ import annotations

from typing import Any

import pytest

from audit.models import AuditEntry
from catalog import selectors, services
from catalog.errors import ModelMalformed, ModelNameTaken
from catalog.models import CatalogModel
from common.actor import Actor, ActorKind
from common.models import OutboxEntry
from common.problems import Stale

pytestmark = pytest.mark.django_db

ADA = Actor(kind=ActorKind.PERSON, subject="7", name="ada@example.com")


def add(name: str = "Org/Llama-7B", **said: Any) -> CatalogModel:
    return services.add_model(name=name, said={"title": name, "task": "generate", **said}, by=ADA)


def notes() -> int:
    return OutboxEntry.objects.filter(topic="model").count()


def test_added_model_is_listed_announced_and_on_record() -> None:
    model = add(context_length=4096)

    entry = AuditEntry.objects.get(action="model.added")
    assert (entry.object_id, entry.actor_name) == (model.public_id, "ada@example.com")
    assert entry.after == {
        "name": "Org/Llama-7B",
        "title": "Org/Llama-7B",
        "task": "generate",
        "context_length": 4096,
    }
    assert OutboxEntry.objects.get(topic="model").subject_id == str(model.pk)
    assert list(selectors.listed_models()) == [model]


@pytest.mark.parametrize(
    ("name", "said", "param"),
    [
        ("", {}, "name"),
        ("a b", {}, "name"),
        ("x" * 81, {}, "name"),
        ("llama", {"task": "chat"}, "task"),
        ("llama", {"title": ""}, "title"),
        ("llama", {"dimensions": 0}, "dimensions"),
    ],
)
def test_model_that_can_not_be_is_refused_and_leaves_nothing(
    name: str, said: dict[str, Any], param: str
) -> None:
    with pytest.raises(ModelMalformed) as refused:
        add(name, **said)

    assert refused.value.param == param
    assert (CatalogModel.objects.count(), notes()) == (0, 0)


def test_names_that_differ_in_capitals_are_one_name_withdrawn_or_not() -> None:
    services.withdraw_model(model=add("Org/Llama-7B"))

    with pytest.raises(ModelNameTaken, match="can be listed again") as refused:
        add("org/llama-7b")

    assert (refused.value.param, refused.value.status) == ("name", 409)
    assert CatalogModel.objects.count() == 1


def test_change_tells_what_changed_and_what_is_not_said_stays() -> None:
    model = add(summary="Small.")
    version = model.version

    changed = services.change_model(model=model, changes={"title": "Llama"}, by=ADA)

    assert (changed.title, changed.summary, changed.version) == ("Llama", "Small.", version + 1)
    entry = AuditEntry.objects.get(action="model.changed")
    assert entry.after == {"name": "Org/Llama-7B", "title": "Llama"}
    assert notes() == 2


def test_of_two_who_change_the_same_model_the_second_is_told_to_read_again() -> None:
    model = add()
    seen_by_rex = CatalogModel.objects.get(pk=model.pk)
    services.change_model(model=model, changes={"title": "Ada's"})

    with pytest.raises(Stale, match="Read it again"):
        services.change_model(model=seen_by_rex, changes={"title": "Rex's"})

    assert CatalogModel.objects.get(pk=model.pk).title == "Ada's"
    assert not AuditEntry.objects.filter(after__title="Rex's").exists()


def test_change_that_can_not_be_said_changes_nothing() -> None:
    model = add()

    with pytest.raises(ModelMalformed):
        services.change_model(model=model, changes={"summary": "fine", "size_bytes": -1})

    model.refresh_from_db()
    assert (model.summary, model.version) == ("", 1)


def test_withdrawn_model_is_offered_no_more_and_operators_still_find_it() -> None:
    model = services.withdraw_model(model=add())

    assert model.is_listed is False
    assert selectors.listed_model("Org/Llama-7B") is None
    assert list(selectors.listed_models()) == []
    assert list(selectors.all_models()) == [model]


@pytest.mark.parametrize("name", ["Org/Llama-7B", "org/llama-7b", "ORG/LLAMA-7B"])
def test_model_is_found_however_its_capitals_are_written(name: str) -> None:
    model = add()

    assert selectors.listed_model(name) == selectors.model_named(name) == model


def test_operators_find_a_model_by_its_id_and_users_by_its_name_alone() -> None:
    model = add()

    assert selectors.model_named(model.public_id) == model
    assert selectors.listed_model(model.public_id) is None
    assert selectors.model_named("Llama-7B") is None


def test_models_stand_by_their_titles() -> None:
    for name, title in (("a", "Zephyr"), ("z", "Alpaca")):
        add(name, title=title)

    assert [model.title for model in selectors.listed_models()] == ["Alpaca", "Zephyr"]
    assert [model.title for model in selectors.all_models()] == ["Alpaca", "Zephyr"]
