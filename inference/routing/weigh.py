"""Weigh workers for a request: what is known of each becomes a snapshot, and that a decision."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from inference.contracts.decide import Decided, decide, mix
from inference.contracts.entries import Worker
from inference.contracts.snapshot import DETOUR, HALF_OPEN, SHARED, TRIED, Candidate, Wish
from inference.routing.came import Came
from inference.routing.demand import Demand
from inference.routing.health import Breakers
from inference.routing.pick import Picker
from inference.routing.placed import Placed
from inference.routing.state import State

MICRO: Final = 1_000_000


class Weighed:
    """A decision, with all it was made from.

    ``at_us``: when, by the loop's clock; ``attempt``: which try of its request, from 0.
    """

    __slots__ = ("at_us", "attempt", "candidates", "decided", "demand", "draw", "wish", "workers")

    def __init__(
        self, demand: Demand, wish: Wish, workers: list[Worker], candidates: list[Candidate]
    ) -> None:
        self.at_us = self.draw = self.attempt = 0
        self.demand = demand
        self.wish = wish
        self.workers = workers
        self.candidates = candidates
        self.decided: Decided

    @property
    def worker(self) -> Worker:
        """Return who was chosen."""
        return self.workers[self.decided.chosen]

    @property
    def hops(self) -> int:
        """Return how many other gateways it is asked by way of."""
        return 1 if self.candidates[self.decided.chosen].state & DETOUR else 0


class Scales:
    """Weighs workers by what a state knows of them.

    ``now``: the loop's clock, in seconds; ``seed``: the installation's secret (``spans``).
    """

    def __init__(
        self,
        picker: Picker,
        health: Breakers,
        state: State,
        now: Callable[[], float],
        seed: int,
    ) -> None:
        self._picker = picker
        self._health = health
        self._now = now
        self.state = state
        self.seed = seed
        self.note: Callable[[Weighed, Came], None] = _nobody_asks
        """Who is told of attempts that are over."""

    def weigh(
        self, pools: Sequence[Sequence[Worker]], tried: Sequence[str], demand: Demand
    ) -> Weighed | None:
        """Choose a worker; none if nobody may be asked."""
        state, policy = self.state, demand.policy
        workers, candidates = self._candidates(pools, tried)
        wish = state.wish(demand, policy)
        weighed = Weighed(demand, wish, workers, candidates)
        weighed.at_us = self.now_us()
        weighed.attempt = len(tried)
        weighed.draw = mix(demand.seed + weighed.attempt)
        state.describe(weighed.at_us, demand, wish, workers, candidates)
        state.price(candidates, policy)
        weighed.decided = decide(candidates, wish, policy, weighed.draw)
        return None if weighed.decided.chosen < 0 else weighed

    def place(self, weighed: Weighed) -> Placed:
        """Note that the request is sent to whom the decision fell on."""
        candidate = weighed.candidates[weighed.decided.chosen]
        return self.state.place(
            weighed.at_us, weighed.demand, weighed.wish, weighed.worker, candidate
        )

    def now_us(self) -> int:
        """Return the loop's clock in microseconds."""
        return int(self._now() * MICRO)

    def _candidates(
        self, pools: Sequence[Sequence[Worker]], tried: Sequence[str]
    ) -> tuple[list[Worker], list[Candidate]]:
        """Return every worker, and as what each comes to a choice.

        Those of later pools are not one's own.
        """
        picker, health = self._picker, self._health
        workers: list[Worker] = []
        candidates: list[Candidate] = []
        for number, pool in enumerate(pools):
            for worker in pool:
                bits = picker.state_of(worker) | (SHARED if number else 0)
                if worker.worker_id in tried:
                    bits |= TRIED
                if health.is_on_trial(worker.worker_id):
                    bits |= HALF_OPEN
                candidate = Candidate(len(candidates), bits)
                candidate.in_flight = picker.load_of(worker)
                workers.append(worker)
                candidates.append(candidate)
        return workers, candidates


def _nobody_asks(_weighed: Weighed, _came: Came) -> None:
    """Do without."""
