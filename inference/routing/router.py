"""The router: whoever tries a request with a worker asks here and nowhere else.

Workers are weighed by predicted cost (``weigh``, ``decide``). Where a policy asks for it, or
deciding fails, the less busy of two is taken (``pick``): a fault in the router costs time and
never an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from inference.contracts.decisions import Decision
from inference.contracts.entries import Worker
from inference.contracts.policies import POWER_OF_TWO
from inference.routing.choice import Choice
from inference.routing.demand import Demand
from inference.routing.health import Breakers
from inference.routing.pick import Picker
from inference.routing.spans import chain_of
from inference.routing.weigh import Scales, Weighed

Pools = Sequence[Sequence[Worker]]
"""Workers that can serve a request, best pool first."""


class Router:
    """Chooses workers. ``scales`` weigh them; without, two are drawn and the less busy taken.

    ``complain`` is told once of a fault in deciding; ``faults`` counts them.
    """

    def __init__(
        self,
        picker: Picker,
        health: Breakers,
        scales: Scales | None = None,
        complain: Callable[[str], None] | None = None,
    ) -> None:
        self._picker = picker
        self._health = health
        self._scales = scales
        self._complain = complain or _nobody_hears
        self.faults = 0

    def choose(self, pools: Pools, tried: Sequence[str], demand: Demand) -> Choice | None:
        """Choose a worker of those not tried yet for a request; none if all were."""
        scales = self._scales
        if scales is None or demand.policy.name == POWER_OF_TWO.name:
            return self._pick(pools, tried, demand)
        try:
            weighed = scales.weigh(pools, tried, demand)
            return None if weighed is None else self._count(scales, weighed)
        except Exception as fault:  # noqa: BLE001 - whatever it is, the request is to be served
            self._note(fault)
            return self._pick(pools, tried, demand)

    def chain(self, project: str, model: str, read: Sequence[memoryview]) -> Sequence[int]:
        """Return the hashes of a prompt's prefixes (``spans``); none where they are of no use.

        ``read``: what an engine reads, in its order, the prompt last.
        """
        if self._scales is None or not read:
            return ()
        try:
            return chain_of(self._scales.seed, project, model, read[:-1], read[-1])
        except Exception as fault:  # noqa: BLE001 - no hash is worth a request
            self._note(fault)
            return ()

    def lacks(self, pools: Pools) -> int:
        """Say why none of these should be asked now (``decisions``); 0 if one has room."""
        return self._picker.lacks(pools)

    def is_any(self, pools: Pools) -> bool:
        """Say whether there is a worker that would be asked."""
        return self._picker.pick(pools, ()) is not None

    def _pick(self, pools: Pools, tried: Sequence[str], demand: Demand) -> Choice | None:
        picked = self._picker.pick(pools, tried, demand.fallback)
        if picked is None:
            return None
        worker, decision = picked
        return Choice(worker, decision, demand.project, self._health)

    def _count(self, scales: Scales, weighed: Weighed) -> Choice:
        decided, demand = weighed.decided, weighed.demand
        candidate, terms = weighed.candidates[decided.chosen], decided.terms[decided.chosen]
        tried, among, hops = weighed.attempt, decided.eligible, weighed.hops
        decision = Decision(tried, among, candidate.in_flight, demand.fallback, hops)
        decision.predict(terms.ttft_us // 1000, candidate.hit_tokens, terms.verdict)
        choice = Choice(weighed.worker, decision, demand.project, self._health)
        choice.count(scales, weighed)
        return choice

    def _note(self, fault: Exception) -> None:
        self.faults += 1
        if self.faults == 1:
            self._complain(f"{type(fault).__name__}: {fault}")


def _nobody_hears(_words: str) -> None:
    """Do without."""
