"""Backends as pages show them: words and figures only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from django.urls import reverse

from agents.backend_shapes import health_of
from agents.sightings import Health
from common.names import visible
from dashboard.shell.contexts import State

if TYPE_CHECKING:
    from agents.models import Backend
    from projects.models import Project

MODELS_NAMED = 2
_TAKES_IT = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}


@dataclass(frozen=True, slots=True)
class ServedRow:
    """A model a backend shall serve; ``why_not`` is empty where it does."""

    name: str
    model: str
    context: int | None
    state: State
    why_not: str


@dataclass(frozen=True, slots=True)
class FoundRow:
    """A model a server said it serves, and as what it shall serve: typed, or as it is called."""

    name: str
    context: int | None
    value: str


@dataclass(frozen=True, slots=True)
class BackendRow:
    """A backend in a list, and at the top of its page. ``trouble``: why it can't serve now."""

    public_id: str
    name: str
    address: str
    url: str
    state: State
    trouble: str
    has_credential: bool
    models: tuple[ServedRow, ...]
    running: int
    slots: int | None
    answered_at: datetime | None

    @property
    def named(self) -> tuple[ServedRow, ...]:
        """Return the models that a list has room for."""
        return self.models[:MODELS_NAMED]

    @property
    def unnamed(self) -> int:
        """Count the others."""
        return len(self.models) - len(self.named)


def backend_row(project: Project, backend: Backend, seen: Mapping[str, Health]) -> BackendRow:
    """Lay out a backend; its workers are expected to be loaded."""
    health = health_of(backend, dict(seen))
    return BackendRow(
        public_id=backend.public_id,
        name=backend.name,
        address=backend.url,
        url=reverse("project:backend", args=[project.public_id, backend.public_id]),
        state=state_of(backend.state, health),
        trouble=trouble_in(backend.state, health),
        has_credential=bool(backend.credential),
        models=_served(backend),
        running=health.running,
        slots=backend.slots,
        answered_at=health.answered_at,
    )


def state_of(state: str, health: Health) -> State:
    """Return how a backend stands: what people decided first, then what gateways see."""
    if state == "paused":
        return State("", "paused")
    if not health.is_seen or not health.heard:
        return State("waiting", "not asked yet")
    if health.is_out:
        return State("bad", "out")
    return State("warning", "refuses") if _refuses(health) else State("good", "answers")


def trouble_in(state: str, health: Health) -> str:
    """Say why a backend can't serve now, and what to do; empty if nothing is in its way."""
    if state == "paused" or not health.is_seen:
        return ""
    if _refuses(health):
        return (
            f"It answers {health.heard}: it does not take the credential. Rotate it, or look there."
        )
    if health.is_out:
        return (
            f"No gateway sends it requests until it answers. Last heard: {visible(health.heard)}."
        )
    return ""


def found_rows(
    found: Sequence[Mapping[str, Any]], said: Mapping[str, str], names: Sequence[str]
) -> tuple[FoundRow, ...]:
    """Lay out what a server serves: as was said, or else under the catalog's own name."""
    known = {name.lower(): name for name in names}
    return tuple(
        FoundRow(
            name=one["name"],
            context=one["context_length"],
            value=said.get(one["name"], "") if said else known.get(one["name"].lower(), ""),
        )
        for one in found
    )


def _refuses(health: Health) -> bool:
    return health.heard.isdecimal() and int(health.heard) in _TAKES_IT


def _served(backend: Backend) -> tuple[ServedRow, ...]:
    rows = {(row.served_name, row.model_name): row for row in backend.workers.all()}
    found = {one["name"]: one["context_length"] for one in backend.found}
    return tuple(
        _row(name, model, found, rows.get((name, model)))
        for name, model in sorted(backend.chosen.items())
    )


def _row(name: str, model: str, found: Mapping[str, int | None], worker: Any) -> ServedRow:
    why_not = _why_not(worker)
    if not why_not and name not in found:
        why_not = "It was not among its models when it was last asked."
    state = State("warning", "not served") if why_not else State("good", "served")
    return ServedRow(name, model, found.get(name), state, why_not)


def _why_not(worker: Any) -> str:
    if worker is None or not worker.is_offered:
        return "The backend is paused."
    if worker.state != "active":
        return f"The operator of the platform has {worker.state} it."
    return ""
