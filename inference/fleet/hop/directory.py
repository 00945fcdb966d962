"""Which other gateways hold a link of an agent, as they have last said (connection table).

What they say is read once a second (``gateway.hops``). One that can't be reached is passed over
for a moment, and a link that was found to be gone is forgotten at once; both are read anew soon.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from inference.contracts.agents import READY, SLEEPING, LinkReport

SHUNNED_S: Final = 3.0


@dataclass(frozen=True)
class Place:
    """A gateway that has a link of an agent: where it is asked, and what it knows of the agent.

    ``models``: what each that may be asked for runs now, by the agent's own names; those that
    have no free place, or sleep, are ``full``.
    """

    agent: str
    gateway: str
    address: str
    models: Mapping[str, int]
    full: frozenset[str] = frozenset()

    def runs(self, model: str) -> int | None:
        """Return how many requests the agent runs with a model; none if it doesn't serve it.

        Where it has but one, no name is that one's.
        """
        return self.models.get(model or self._only)

    def has_room(self, model: str) -> bool:
        """Say whether the agent would begin at once with a request for a model."""
        return (model or self._only) not in self.full

    @property
    def _only(self) -> str:
        return next(iter(self.models)) if len(self.models) == 1 else ""


def place_of(agent: str, report: LinkReport) -> Place | None:
    """Read what a gateway wrote of a link; none if nothing can be asked by way of it."""
    said = report.state
    if not (report.hop and report.takes) or said.get("drain"):
        return None
    models: Any = said.get("models", ())
    models = [model for model in models if model.get("status") in (READY, SLEEPING)]
    served = {str(model["name"]): int(model.get("running", 0)) for model in models}
    slots = int(said.get("slots", 0))
    is_full = bool(slots) and max(report.in_flight, int(said.get("running", 0))) >= slots
    full = {str(one["name"]) for one in models if is_full or one["status"] == SLEEPING}
    return Place(agent, report.gateway, report.hop, served, frozenset(full)) if served else None


class Directory:
    """See the module. ``now`` is the loop's clock."""

    def __init__(self, now: Callable[[], float], random: Random) -> None:
        self._now = now
        self._random = random
        self._places: dict[str, list[Place]] = {}
        self._shunned: dict[str, float] = {}

    def replace(self, places: Iterable[Place]) -> None:
        """Learn anew who has which links."""
        found: dict[str, list[Place]] = {}
        for place in places:
            found.setdefault(place.agent, []).append(place)
        self._places = found
        now = self._now()
        self._shunned = {name: until for name, until in self._shunned.items() if until > now}

    def find(self, agent: str, model: str) -> list[Place]:
        """Return where an agent may be asked for a model now."""
        now, shunned = self._now(), self._shunned
        return [
            place
            for place in self._places.get(agent, ())
            if place.runs(model) is not None and shunned.get(place.gateway, 0.0) <= now
        ]

    def in_any_order(self, agent: str, model: str) -> list[Place]:
        """Return the same so that many gateways don't all begin with the same one."""
        places = self.find(agent, model)
        return self._random.sample(places, len(places)) if len(places) > 1 else places

    def shun(self, gateway: str) -> None:
        """Ask a gateway nothing for a moment: it can't be reached."""
        self._shunned[gateway] = self._now() + SHUNNED_S

    def forget(self, place: Place) -> None:
        """Learn that a gateway has no link of that agent any more."""
        places = self._places.get(place.agent, [])
        self._places[place.agent] = [other for other in places if other is not place]
