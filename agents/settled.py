"""Machines that were looked at and needed nothing: while all stays as it was, they need nothing.

Hundreds of machines say every three seconds that nothing is new. What was decided once by what
a machine says and what its rows hold is not decided anew until either is another. Pure but for
what it remembers, which may be lost at any time: then everything is looked at once more.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from inference.contracts.agents import LinkReport

PASSING = frozenset(("seq", "running", "waiting", "kv", "tokens_per_s"))
PASSING_OF_A_MODEL = frozenset(("running", "progress"))
"""What changes with every beat, and no row is made from."""


class Standing(NamedTuple):
    """What an agent's rows hold, as far as decisions depend on it, without their bulk.

    ``said`` and ``facts``: digests of what was kept of its words. ``workers`` counts its rows of
    models, ``told`` adds their versions up.
    """

    public_id: str
    state: str
    version: int
    is_linked: bool
    is_dead: bool
    seen_at: datetime | None
    enrolled_at: datetime
    said: str
    facts: str
    workers: int
    told: int | None


class Settled:
    """What each machine needed nothing with."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[object, ...]] = {}

    def has(self, standing: Standing, report: LinkReport, known: object) -> bool:
        """Say whether this was looked at before, and needed nothing."""
        return self._known.get(standing.public_id) == _moment(standing, report, known)

    def note(self, standing: Standing, report: LinkReport, known: object) -> None:
        """Remember that it needed nothing, by what was ``known`` of models."""
        self._known[standing.public_id] = _moment(standing, report, known)

    def forget_others(self, living: Collection[str]) -> None:
        """Forget machines that are no more."""
        for public_id in self._known.keys() - living:
            del self._known[public_id]


def _moment(standing: Standing, report: LinkReport, known: object) -> tuple[object, ...]:
    return standing._replace(seen_at=None), steady(report.state), report.facts, known


def steady(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a state does not change with every beat; nothing an agent says is trusted."""
    kept = {name: value for name, value in state.items() if name not in PASSING}
    models = state.get("models")
    if isinstance(models, list):
        kept["models"] = [_steady_model(one) for one in models]
    return kept


def _steady_model(one: Any) -> Any:
    if not isinstance(one, dict):
        return one
    return {name: value for name, value in one.items() if name not in PASSING_OF_A_MODEL}
