"""Which machine may serve which endpoint: decided from plain values, and nowhere else.

What is asked of a machine's model is said once, in ``_OBSTACLES``, in the order in which people
want to hear it. Whether a gateway sees the machine right now is another question (``sightings``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from inference.contracts.operations import OPERATIONS


@dataclass(frozen=True, slots=True)
class Served:
    """A model on a machine. ``owner``: the project (primary key) whose own the machine is.

    Without an owner it is the operator's, and serves whoever is on one of its ``tiers``.
    ``is_ready``: the machine has it loaded. ``is_paused``: people decided so, of it or of the
    machine.
    """

    model_name: str
    operations: Collection[str]
    owner: int | None = None
    tiers: Collection[str] = ()
    region: str = ""
    is_ready: bool = True
    is_paused: bool = False
    is_draining: bool = False


@dataclass(frozen=True, slots=True)
class Wish:
    """What an endpoint asks for: its project (primary key), model, task and tier.

    A task that is not known asks for nothing, nor does no ``region``. On a tier that
    ``is_self_hosted`` only machines of the project's own serve, and on others never.
    """

    project: int
    model_name: str
    task: str
    tier: str
    is_self_hosted: bool
    region: str = ""


def obstacle(served: Served, wish: Wish) -> str:
    """Name what keeps a machine's model from serving an endpoint; empty if nothing does."""
    found = (word for word, stands_in_the_way in _OBSTACLES if stands_in_the_way(served, wish))
    return next(found, "")


def _is_elsewhere(served: Served, wish: Wish) -> bool:
    return bool(wish.region) and served.region != wish.region


def _is_not_theirs(served: Served, wish: Wish) -> bool:
    """Say whether it belongs to somebody whom this endpoint is not served by."""
    return served.owner != (wish.project if wish.is_self_hosted else None)


def _carries_not(served: Served, wish: Wish) -> bool:
    return not wish.is_self_hosted and wish.tier not in served.tiers


_OBSTACLES: tuple[tuple[str, Callable[[Served, Wish], bool]], ...] = (
    ("owner", _is_not_theirs),
    ("tier", _carries_not),
    ("model", lambda served, wish: served.model_name != wish.model_name),
    ("task", lambda served, wish: not speaks(wish.task, served.operations)),
    ("region", _is_elsewhere),
    ("paused", lambda served, _: served.is_paused),
    ("not_ready", lambda served, _: not served.is_ready),
    ("draining", lambda served, _: served.is_draining),
)
OBSTACLES = tuple(word for word, _ in _OBSTACLES)


def nearest(words: Iterable[str]) -> str:
    """Return the obstacle of whichever comes nearest to serving; empty if one serves."""
    return max(words, key=lambda word: OBSTACLES.index(word) if word else len(OBSTACLES))


def speaks(task: str, operations: Collection[str]) -> bool:
    """Say whether a server does anything of a task: one for embeddings chats with nobody."""
    return not task or any(task in OPERATIONS.get(one, ()) for one in operations)


def accelerators_of(facts: Mapping[str, Any]) -> frozenset[str]:
    """Return the kinds of accelerator that a machine says it has: its word, so of any shape."""
    said = facts.get("accelerators")
    rows = said if isinstance(said, list) else []
    kinds = (one.get("kind") for one in rows if isinstance(one, dict))
    return frozenset(kind for kind in kinds if isinstance(kind, str))


def fitting_tiers(
    carried: Collection[str], needs: Mapping[str, str], facts: Mapping[str, Any]
) -> list[str]:
    """Return the tiers that a machine serves of those it carries.

    ``needs``: by tier the kind of accelerator it asks for; a machine without it is left out.
    """
    has = accelerators_of(facts)
    return [tier for tier in carried if not needs.get(tier) or needs[tier] in has]
