"""Which models of a backend serve which of ours: chosen by its owner, of those that it serves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agents import rules
from agents.asking import Found
from agents.errors import BackendModelsMalformed
from agents.models import Backend, BackendState
from agents.services import Offered
from catalog import selectors as catalog
from catalog.errors import ModelUnknown
from common import clock

CHOSEN_MAX = 32


def as_found(found: Found) -> dict[str, Any]:
    """Return what a row says of what a server just answered."""
    rows = [
        {"name": one.name, "context_length": one.context_length, "engine": one.engine}
        for one in found.models
    ]
    return {"found": rows, "operations": list(found.operations), "asked_at": clock.now()}


def offered(backend: Backend) -> list[Offered]:
    """Return what a backend shall serve now."""
    if backend.state != BackendState.ACTIVE:
        return []
    known = {one["name"]: one for one in backend.found}
    return [
        Offered(
            served_name=name,
            model_name=model.name,
            operations=rules.operations_of(model.task, backend.operations),
            slots=backend.slots,
            context_length=known.get(name, {}).get("context_length"),
            engine=known.get(name, {}).get("engine", ""),
        )
        for name, wanted in backend.chosen.items()
        if (model := catalog.model_named(wanted)) is not None
    ]


def checked(chosen: Mapping[str, str], found: list[dict[str, Any]]) -> dict[str, str]:
    """Return a choice of models in the server's and the catalog's own writing.

    Raises ``BackendModelsMalformed`` or ``ModelUnknown``.
    """
    if not 0 < len(chosen) <= CHOSEN_MAX:
        raise BackendModelsMalformed(
            f"Choose 1 to {CHOSEN_MAX} of the models it serves.", param="models"
        )
    served = {one["name"].lower(): one["name"] for one in found}
    return {_served(name, served): _known(model) for name, model in chosen.items()}


def _served(name: str, served: Mapping[str, str]) -> str:
    if name.lower() not in served:
        raise BackendModelsMalformed(
            f"It serves no “{name}”. It serves: {', '.join(list(served.values())[:20])}.",
            param="models",
        )
    return served[name.lower()]


def _known(name: str) -> str:
    model = catalog.listed_model(name)
    if model is None:
        raise ModelUnknown(
            f"The catalog lists no model “{name}”. Choose one of its models, or ask the operator "
            "to add this one.",
            param="models",
        )
    return model.name
