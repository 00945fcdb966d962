"""Models that machines have and the catalog lacks: each a card that only has to be completed.

What is known of it comes from the machines, whose word it is; the first that says something is
taken at it, and an operator reads it before it stands in the catalog.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from agents import selectors
from agents.models import AgentState
from catalog import selectors as catalog
from catalog.rules import fault_in_name

CARDS_MAX = 200
MACHINES_MAX = 50
_TASKS = ("generate", "embed", "score")


@dataclass(frozen=True, slots=True)
class Reporter:
    """A machine that has a model, and whose it is; no project: the operator's."""

    agent: str
    name: str
    project: str


@dataclass(frozen=True, slots=True)
class Card:
    """A model as machines call it, with what they say of it; ``fault``: why it can't be added."""

    name: str
    task: str
    context_length: int | None
    size_bytes: int | None
    operations: tuple[str, ...]
    machines: tuple[Reporter, ...]
    fault: str = ""


def unknown() -> list[Card]:
    """Return a card for each model that a living machine has and the catalog never had."""
    living = selectors.all_agents().exclude(state=AgentState.RETIRED).order_by("name", "id")
    said = [
        (
            Reporter(agent.public_id, agent.name, agent.project.slug if agent.project else ""),
            agent.reported.get("models", []),
        )
        for agent in living
    ]
    return cards_of(said, catalog.all_names())


def cards_of(
    said: Iterable[tuple[Reporter, Iterable[Mapping[str, Any]]]], known: Iterable[str]
) -> list[Card]:
    """Put together what machines say of models that have none of these names, by name."""
    names = {name.lower() for name in known}
    found: dict[str, Card] = {}
    for reporter, models in said:
        for one in models:
            key = one["name"].lower()
            if key not in names and (key in found or len(found) < CARDS_MAX):
                found[key] = _joined(found.get(key), one, reporter)
    return sorted(found.values(), key=lambda card: card.name.lower())


def _joined(card: Card | None, one: Mapping[str, Any], reporter: Reporter) -> Card:
    new = Card(
        name=one["name"],
        task=one["task"] if one.get("task") in _TASKS else "generate",
        context_length=one.get("context"),
        size_bytes=one.get("size_bytes"),
        operations=tuple(one.get("operations", ())),
        machines=(reporter,),
        fault=fault_in_name(one["name"]) or "",
    )
    if card is None:
        return new
    return replace(
        card,
        context_length=card.context_length or new.context_length,
        size_bytes=card.size_bytes or new.size_bytes,
        operations=card.operations or new.operations,
        machines=(*card.machines, reporter)[:MACHINES_MAX],
    )
