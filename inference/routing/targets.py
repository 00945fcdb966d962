"""How much requests count (delay weights), and who may claim it: targets, tiers, fair shares."""

from __future__ import annotations

from inference.contracts.policies import ONE, Policy
from inference.routing.demand import PRIORITY, Demand
from inference.routing.placed import Placed


class Targets:
    """Targets in flight, by project: whoever holds most of them is believed no more than others."""

    __slots__ = ("_all", "_by_project")

    def __init__(self) -> None:
        self._by_project: dict[str, int] = {}
        self._all = 0

    def weight(self, demand: Demand, policy: Policy) -> int:
        """Return what the delay of a request counts (of 1,024)."""
        base = policy.untargeted
        if demand.has_target and not self._is_beyond_share(demand.project):
            base = ONE
        return max(1, base * max(demand.priority, 1) // PRIORITY)

    def take(self, placed: Placed) -> None:
        """Count a request that is sent."""
        if placed.targeted:
            self._by_project[placed.project] = self._by_project.get(placed.project, 0) + 1
            self._all += 1

    def drop(self, placed: Placed) -> None:
        """Count it no more; once."""
        if not placed.targeted:
            return
        placed.targeted = False
        self._all -= 1
        left = self._by_project.get(placed.project, 0) - 1
        if left > 0:
            self._by_project[placed.project] = left
        else:
            self._by_project.pop(placed.project, None)

    @property
    def count(self) -> int:
        """Return how many are in flight."""
        return self._all

    def _is_beyond_share(self, project: str) -> bool:
        projects = len(self._by_project)
        return projects > 1 and 2 * self._by_project.get(project, 0) * projects > 3 * self._all
