"""The router's state (a fold over events): what this gateway knows of its workers; no I/O.

Every method is an event with its time in microseconds, and nothing else changes the state: what
was written down of the events rebuilds it. ``describe`` is an event, too: it looks at first tokens
that are overdue.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from inference.contracts.entries import Worker
from inference.contracts.policies import Policy
from inference.contracts.snapshot import SHARED, Candidate, Wish
from inference.routing.demand import Demand
from inference.routing.elsewhere import Elsewhere, Load
from inference.routing.habits import Habits
from inference.routing.known_worker import MICRO, KnownWorker
from inference.routing.memories import ENTRIES_MAX, Memories
from inference.routing.placed import Placed
from inference.routing.predictors import Prior, median_of
from inference.routing.targets import Targets

WORKERS_MAX: Final = 4096
LOOK_AGAIN: Final = 7
"""Every eighth request, those that were taught nothing are expected to be as their peers are."""
LEAST_TEACHING: Final = 2
"""An answer of fewer tokens says nothing of the time between them."""


class State:
    """See the module. ``entries_max`` bounds the prefix indices of all models."""

    def __init__(self, entries_max: int = ENTRIES_MAX) -> None:
        self._workers: OrderedDict[str, KnownWorker] = OrderedDict()
        self._number = 0
        self.memories = Memories(entries_max)
        self.elsewhere = Elsewhere()
        """What other gateways have where."""
        self.targets = Targets()
        self.habits = Habits()

    # ── Before a choice ────────────────────────────────────────────────────────────────

    def wish(self, demand: Demand, policy: Policy) -> Wish:
        """Return what a request asks of a decision."""
        weight = self.targets.weight(demand, policy)
        tokens = int(demand.prompt_bytes * self.habits.of(demand.project, demand.model).rate)
        return Wish(tokens, weight, demand.ttft_us, demand.tpot_us)

    def describe(
        self,
        now_us: int,
        demand: Demand,
        wish: Wish,
        workers: Sequence[Worker],
        candidates: Sequence[Candidate],
    ) -> None:
        """Write into candidates what is known of their workers now.

        They come with what transports and probes say: their state, and in ``in_flight`` how many
        requests they are said to run, whoever asked.
        """
        hits = self.memories.hits(demand, workers)
        habit = self.habits.of(demand.project, demand.model)
        for place, worker in enumerate(workers):
            hit = int(hits[place] * habit.rate)
            known = self._worker(worker)
            known.look_at_overdue(now_us)
            others = self.elsewhere.at(worker.worker_id, now_us)
            known.describe(candidates[place], now_us, wish.tokens, min(hit, wish.tokens), others)
            is_full = self.memories.is_full(demand.model, worker.worker_id)
            known.price_reading(candidates[place], habit.again(is_full=is_full))

    def price(self, candidates: Sequence[Candidate], policy: Policy) -> None:
        """Add what a policy asks for, in time, of who owns a worker."""
        for candidate in candidates:
            if candidate.state & SHARED:
                candidate.extras_us += policy.premium_us

    # ── After it ───────────────────────────────────────────────────────────────────────

    def place(
        self, now_us: int, demand: Demand, wish: Wish, worker: Worker, candidate: Candidate
    ) -> Placed:
        """Note that a request is sent to a worker."""
        self._number += 1
        placed = Placed(self._number, worker.worker_id, now_us)
        known = self._worker(worker)
        placed.project, placed.model = demand.project, demand.model
        placed.new = candidate.new_tokens
        placed.ahead = candidate.backlog + candidate.new_tokens
        placed.hit = int(candidate.hit_tokens / known.calibration.value)
        placed.prompt_bytes = demand.prompt_bytes
        placed.weight, placed.targeted = wish.weight, wish.has_target
        if demand.chain:
            habit = self.habits.kept(demand.project, demand.model)
            self.memories.place(placed, demand.chain, known.oldest_waiting(), habit)
        known.take(placed)
        placed.among = known.in_flight
        self.targets.take(placed)
        return placed

    def answered(self, now_us: int, placed: Placed, *, teaches: bool = True) -> None:
        """Note that its first token came. ``teaches``: it says how fast the worker is."""
        known = self._workers.get(placed.worker_id)
        if known is not None and placed.is_waiting:
            known.answered(placed, now_us, teaches=teaches)

    def counted(self, placed: Placed, prompt: int, cached: int | None) -> None:
        """Note what an engine counted of a prompt; ``cached``: none where it said nothing."""
        known = self._workers.get(placed.worker_id)
        if known is not None:
            known.calibration.learn(placed.hit, cached)
        if prompt > 0 and placed.prompt_bytes > 0:
            if cached is not None:
                self.memories.learn(placed, cached * placed.prompt_bytes // prompt)
            habit = self.habits.kept(placed.project, placed.model)
            habit.learn_rate(prompt, placed.prompt_bytes)

    def ended(self, now_us: int, placed: Placed, tokens_out: int = 0) -> None:
        """Note that its answer is over, after so many tokens; 0 where that teaches nothing."""
        known = self._release(placed)
        if known is None or placed.is_waiting or tokens_out < LEAST_TEACHING:
            return
        took_s = (now_us - placed.first_us) / MICRO
        known.between.learn(placed.among, took_s / (tokens_out - 1))

    def failed(self, now_us: int, placed: Placed) -> None:
        """Note that its worker failed."""
        known = self._release(placed)
        if known is not None:
            known.failed(placed, now_us)

    def taken_back(self, placed: Placed) -> None:
        """Note that it is not to be: as if it had not been sent, but for its prefix."""
        self._release(placed)

    # ── What is known ──────────────────────────────────────────────────────────────────

    def known(self, worker_id: str) -> KnownWorker | None:
        """Return what is known of a worker, if anything is."""
        return self._workers.get(worker_id)

    def loads(self) -> list[tuple[str, Load]]:
        """Return what this gateway has at each worker it knows."""
        return [(name, known.load) for name, known in self._workers.items()]

    def _worker(self, worker: Worker) -> KnownWorker:
        known = self._workers.get(worker.worker_id)
        if known is None:
            self._make_room()
            known = self._workers[worker.worker_id] = KnownWorker(
                self._prior(worker), worker.model, worker.accelerator
            )
        elif known.first.count == 0 and self._number & LOOK_AGAIN == 0:
            # Else whoever answered first is known to be quick, and nobody else is ever asked.
            known.first.expect(self._prior(worker))
        return known

    def _prior(self, worker: Worker) -> Prior:
        """Return what to expect of a new worker: the median of its like, or of any peer."""
        peers = [s for s in self._workers.values() if s.model == worker.model and s.is_proven]
        alike = [s for s in peers if s.accelerator == worker.accelerator]
        return median_of([s.first for s in alike or peers])

    def _make_room(self) -> None:
        if len(self._workers) < WORKERS_MAX:
            return
        idle = [name for name, known in self._workers.items() if known.is_idle]
        for name in idle[: max(1, WORKERS_MAX // 16)]:
            del self._workers[name]
            self.memories.forget(name)

    def _release(self, placed: Placed) -> KnownWorker | None:
        self.targets.drop(placed)
        known = self._workers.get(placed.worker_id)
        if known is not None:
            known.drop(placed)
        return known
