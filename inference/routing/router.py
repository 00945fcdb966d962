"""The choice of a worker, and what becomes of it: one object for each attempt at a request.

Whoever tries a request with a worker asks here and nowhere else, and says here how it went.
"""

from __future__ import annotations

from collections.abc import Sequence

from inference.contracts.decisions import Decision
from inference.contracts.entries import Worker
from inference.routing.health import Breakers
from inference.routing.pick import Picker

Pools = Sequence[Sequence[Worker]]
"""Workers that can serve a request, best pool first."""


class Choice:
    """A worker that was chosen for a request, and why. It is told what becomes of the attempt.

    What tenants ask for, and how long they wait, is held against no worker: only ``failed`` is.
    """

    __slots__ = ("_health", "_project", "decision", "worker")

    def __init__(self, worker: Worker, decision: Decision, project: str, health: Breakers) -> None:
        self.worker = worker
        self.decision = decision
        self._project = project
        self._health = health

    def began(self) -> None:
        """Learn that the worker began to answer."""
        self._health.succeeded(self.worker.worker_id)

    def answered_error(self, status: int) -> None:
        """Learn that it answered with an error that the caller is not to read as it is."""
        self._health.answered_error(self.worker.worker_id, self._project, status)

    def failed(self) -> None:
        """Learn that it failed through its own fault: it did not answer, or broke off."""
        self._health.failed(self.worker.worker_id)

    def was_late(self) -> None:
        """Learn that its answer took longer than the one who asked may wait."""
        self._health.was_late(self.worker.worker_id, self._project)


class Router:
    """Chooses workers: behind it is today the less busy of two (``pick``)."""

    def __init__(self, picker: Picker, health: Breakers) -> None:
        self._picker = picker
        self._health = health

    def choose(
        self, pools: Pools, tried: Sequence[str], project: str, fallback: int = 0
    ) -> Choice | None:
        """Choose a worker of those not tried yet for a request of a project; none if all were.

        ``fallback``: why these pools stand in for others, if they do.
        """
        picked = self._picker.pick(pools, tried, fallback)
        if picked is None:
            return None
        worker, decision = picked
        return Choice(worker, decision, project, self._health)

    def lacks(self, pools: Pools) -> int:
        """Say why none of these should be asked now (``decisions``); 0 if one has room."""
        return self._picker.lacks(pools)

    def is_any(self, pools: Pools) -> bool:
        """Say whether there is a worker that would be asked."""
        return self._picker.pick(pools, ()) is not None
