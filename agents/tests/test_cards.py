"""Models that the catalog lacks, put together from what machines say."""

from __future__ import annotations

from typing import Any

import pytest

from agents import cards
from agents.cards import CARDS_MAX, Reporter, cards_of
from agents.lifecycle import retire_agent
from agents.models import Agent
from projects.models import Project
from tests.make import make_agent, make_model

ONE, TWO = Reporter("agt_1", "gpu-1", "acme"), Reporter("agt_2", "gpu-2", "")
BARE: dict[str, Any] = {
    "name": "Qwen/Q-7B",
    "task": "",
    "context": None,
    "size_bytes": None,
    "operations": [],
}
FULL: dict[str, Any] = {
    "name": "qwen/q-7b",
    "task": "embed",
    "context": 4096,
    "size_bytes": 7 * 10**9,
    "operations": ["embeddings"],
}


def test_card_says_what_the_machine_says() -> None:
    [card] = cards_of([(ONE, [FULL])], ["llama-8b"])

    assert (card.name, card.task, card.fault) == ("qwen/q-7b", "embed", "")
    assert (card.context_length, card.size_bytes) == (4096, 7 * 10**9)
    assert (card.operations, card.machines) == (("embeddings",), (ONE,))


def test_same_model_of_many_machines_is_one_card_and_each_adds_what_is_missing() -> None:
    [card] = cards_of([(ONE, [BARE]), (TWO, [FULL])], [])

    assert card.name == "Qwen/Q-7B"
    assert (card.context_length, card.size_bytes) == (4096, 7 * 10**9)
    assert card.operations == ("embeddings",)
    assert card.machines == (ONE, TWO)


@pytest.mark.parametrize("task", ["", "dance", None])
def test_task_that_is_none_is_taken_for_text(task: object) -> None:
    [card] = cards_of([(ONE, [{**BARE, "task": task}])], [])

    assert card.task == "generate"


def test_what_the_catalog_knows_in_any_case_is_no_card() -> None:
    assert cards_of([(ONE, [BARE, FULL])], ["QWEN/q-7B"]) == []


def test_name_that_the_catalog_could_not_have_says_so() -> None:
    [card] = cards_of([(ONE, [{**BARE, "name": "my model"}])], [])

    assert "' ' is none of them" in card.fault


def test_machine_that_names_models_without_end_fills_no_page() -> None:
    many = [{**BARE, "name": f"m-{number}"} for number in range(CARDS_MAX + 50)]

    found = cards_of([(ONE, many), (TWO, many[:1])], [])

    assert len(found) == CARDS_MAX
    assert found[0].machines == (ONE, TWO)


@pytest.mark.django_db
def test_cards_are_of_living_machines_whoever_they_belong_to(acme: Project) -> None:
    make_model()
    said: dict[str, Any] = {"models": [BARE, {**BARE, "name": "SMOLLM2-135m-instruct"}]}
    own, shared, gone = make_agent(acme, name="a"), make_agent(name="b"), make_agent(acme)
    Agent.objects.update(reported=said)
    retire_agent(agent=gone)

    [card] = cards.unknown()

    assert [(one.agent, one.project) for one in card.machines] == [
        (own.public_id, acme.slug),
        (shared.public_id, ""),
    ]
