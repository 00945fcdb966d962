"""The models a machine says it has: which of them are served, and why the others are not."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.urls import reverse

from agents.reports import SERVING, misplaced_models, unknown_models
from agents.rules import shown_state, text
from common.names import visible
from dashboard.shell.contexts import State
from endpoints import selectors as endpoints

if TYPE_CHECKING:
    from agents.models import Agent, Worker
    from projects.models import Project

UNKNOWN = (
    "The catalog has no model of this name yet, so nobody is sent to it. The platform’s operator "
    "sees it beside the catalog, and adds it in one step; it serves from then on. Or serve it "
    "under a name of the catalog."
)
MISPLACED = (
    "The catalog’s model of this name is for {}, and this machine answers no such requests. "
    "Serve it under another name, or start it for that (--task)."
)
_FOR = {"generate": "generating text", "embed": "embeddings", "score": "scoring"}
_BY_STATE = {
    "pending": "An admin has yet to approve the machine.",
    "suspended": "The machine is suspended.",
    "disconnected": "The machine has no link now.",
    "dead": "The machine has had no link for long.",
    "retired": "The machine was revoked.",
}
_NOT_THERE = {
    "task": "not now: it answers no requests of the model’s kind",
    "region": "no: the endpoint wants a machine in region {}",
    "paused": "not now: it is suspended or waits for approval",
    "not_ready": "not now: the model is not ready on it",
    "draining": "not now: it takes nothing new",
}
_SERVED = State("good", "served")
_NOT_SERVED = State("warning", "not served")


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A model of a machine; ``why_not`` is empty where it is served."""

    name: str
    model: str
    context: int | None
    state: State
    why_not: str


def model_rows(agent: Agent, tasks: Mapping[str, str]) -> tuple[ModelRow, ...]:
    """Lay out what a machine reported last; its workers are expected to be loaded.

    ``tasks``: what each model of the catalog is for.
    """
    unknown = frozenset(unknown_models(agent.reported, tasks))
    misplaced = misplaced_models(agent.reported, tasks)
    rows = {row.served_name: row for row in agent.workers.all()}
    stands = shown_state(agent.state, is_linked=agent.is_linked, is_dead=agent.is_dead)
    return tuple(
        _row(one, rows.get(one["name"]), why_not_served(one, unknown, misplaced, stands))
        for one in agent.reported.get("models", [])
    )


def why_not_served(
    one: dict[str, Any], unknown: Collection[str], misplaced: Mapping[str, str], stands: str
) -> str:
    """Say why a model is not served; empty if nothing is in its way."""
    if one["name"] in unknown:
        return UNKNOWN
    if one["name"] in misplaced:
        return MISPLACED.format(_FOR.get(misplaced[one["name"]], "something else"))
    if stands != "active":
        return _BY_STATE[stands]
    status = visible(text(one.get("status")))
    if status in SERVING:
        return ""
    reason = visible(text(one.get("reason")))
    said = f"The machine says: {status or 'not ready'}"
    return f"{said} ({reason})." if reason else f"{said}."


def _row(one: dict[str, Any], worker: Worker | None, why_not: str) -> ModelRow:
    if not why_not:
        why_not = _why_not_offered(worker)
    return ModelRow(
        name=visible(one["name"]),
        model=worker.model_name if worker else "",
        context=worker.context_length if worker else None,
        state=_NOT_SERVED if why_not else _SERVED,
        why_not=why_not,
    )


def _why_not_offered(worker: Worker | None) -> str:
    if worker is None:
        return "It was heard of just now, and is offered in a moment."
    if worker.state != "active":
        return f"The operator of the platform has {worker.state} it."
    return "" if worker.is_offered else "It is offered again in a moment."


def endpoint_rows(project: Project, agent: Agent) -> tuple[tuple[str, str, str, str], ...]:
    """Return the endpoints of its models: slug, URL, model, and why it does not serve it now."""
    found = endpoints.serving_with(project=project, workers=agent.workers.all())
    return tuple(
        (
            row.slug,
            reverse("project:endpoint", args=[project.public_id, row.slug]),
            row.model.name,
            _why_not_there(obstacle, row.region),
        )
        for row, obstacle in found
    )


def _why_not_there(obstacle: str, region: str) -> str:
    return _NOT_THERE.get(obstacle, "").format(region)
