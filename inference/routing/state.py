"""The router's state (a fold over events): what this gateway knows of its workers; no I/O.

Every method is an event with its time in microseconds, and nothing else changes the state: what
was written down of the events rebuilds it (docs/routing.md, *Re-run*). ``snapshot`` is an event,
too: it looks at first tokens that are overdue.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from inference.contracts.entries import Worker
from inference.contracts.policies import ONE, Policy
from inference.contracts.snapshot import SHARED, Candidate, Wish
from inference.routing.demand import PRIORITY, Demand
from inference.routing.elsewhere import Elsewhere, Load
from inference.routing.habits import Habits
from inference.routing.known_worker import MICRO, KnownWorker
from inference.routing.placed import Placed
from inference.routing.predictors import Prior, median_of
from inference.routing.prefixes import PrefixIndex
from inference.routing.spans import ENDS, bytes_of

WORKERS_MAX: Final = 4096
LEAST_TEACHING: Final = 2
"""An answer of fewer tokens says nothing of the time between them."""


News = tuple[str, str, str, int, list[int]]
"""Model, worker, project, how many hashes stand before these, and these."""


class State:
    """See the module. ``entries_max`` bounds the prefix index of each model."""

    def __init__(self, entries_max: int = 400_000) -> None:
        self._entries_max = entries_max
        self._workers: OrderedDict[str, KnownWorker] = OrderedDict()
        self._indices: dict[str, PrefixIndex] = {}
        self._habits = Habits()
        self._targeted: dict[str, int] = {}
        self._number = 0
        self.elsewhere = Elsewhere()
        """What other gateways have where."""
        self.news: list[News] | None = None
        """Prefixes that were sent to workers for the first time; none are kept if nobody asks."""

    # ── Before a choice ────────────────────────────────────────────────────────────────

    def wish(self, demand: Demand, policy: Policy) -> Wish:
        """Return what a request asks of a decision."""
        weight = self._weight(demand, policy)
        tokens = int(demand.prompt_bytes * self.rate(demand.project, demand.model))
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
        index = self._indices.get(demand.model)
        depths: list[int] = []
        if index is not None and demand.chain:
            depths = index.match(demand.chain, [worker.worker_id for worker in workers])
        habit = self._habits.of(demand.project, demand.model)
        for place, worker in enumerate(workers):
            hit = int(bytes_of(depths[place]) * habit.rate) if depths else 0
            known = self._worker(worker)
            known.look_at_overdue(now_us)
            others = self.elsewhere.at(worker.worker_id, now_us)
            known.describe(candidates[place], now_us, wish.tokens, min(hit, wish.tokens), others)
            if index is not None:
                is_full = index.is_full(worker.worker_id)
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
            self._note_prefix(placed, demand.chain, known.oldest_waiting())
        known.take(placed)
        placed.among = known.in_flight
        if placed.targeted:
            self._targeted[demand.project] = self._targeted.get(demand.project, 0) + 1
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
            index = self._indices.get(placed.model)
            if index is not None and cached is not None:
                cached_bytes = cached * placed.prompt_bytes // prompt
                index.learn(placed.worker_id, placed.ages, placed.unread, cached_bytes)
            habit = self._habits.kept(placed.project, placed.model)
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

    # ── What other gateways do ─────────────────────────────────────────────────────────

    def placed_elsewhere(
        self, model: str, worker_id: str, project: str, begin: int, hashes: Sequence[int]
    ) -> None:
        """Note that another gateway sent a prefix to a worker. ``begin``: hashes before these."""
        if begin >= 0 and begin + len(hashes) <= len(ENDS):
            self._index(model).place(worker_id, hashes, project, begin=begin)

    def loads(self) -> list[tuple[str, Load]]:
        """Return what this gateway has at each worker it knows."""
        return [(name, known.load) for name, known in self._workers.items()]

    # ── What is known ──────────────────────────────────────────────────────────────────

    def rate(self, project: str, model: str) -> float:
        """Return how many tokens a byte of a project's prompts is, for a model."""
        return self._habits.of(project, model).rate

    def known(self, worker_id: str) -> KnownWorker | None:
        """Return what is known of a worker, if anything is."""
        return self._workers.get(worker_id)

    def entries(self) -> int:
        """Return what all prefix indices hold."""
        return sum(index.entries() for index in self._indices.values())

    def _weight(self, demand: Demand, policy: Policy) -> int:
        """Return what its delay counts; who claims most of all targets is not believed."""
        base = policy.untargeted
        if demand.has_target and not self._is_beyond_share(demand.project):
            base = ONE
        return max(1, base * max(demand.priority, 1) // PRIORITY)

    def _is_beyond_share(self, project: str) -> bool:
        mine = self._targeted.get(project, 0)
        return len(self._targeted) > 1 and 2 * mine * len(self._targeted) > 3 * self._all_targeted()

    def _all_targeted(self) -> int:
        return sum(self._targeted.values())

    def _worker(self, worker: Worker) -> KnownWorker:
        known = self._workers.get(worker.worker_id)
        if known is None:
            self._make_room()
            known = self._workers[worker.worker_id] = KnownWorker(
                self._prior(worker), worker.model, worker.accelerator
            )
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
            for index in self._indices.values():
                index.forget(name)

    def _index(self, model: str) -> PrefixIndex:
        index = self._indices.get(model)
        if index is None:
            index = self._indices[model] = PrefixIndex(self._entries_max)
        return index

    def _note_prefix(self, placed: Placed, chain: Sequence[int], oldest: Placed | None) -> None:
        index = self._index(placed.model)
        placed.clock = index.clock(placed.worker_id)
        placed.unread = placed.clock - oldest.clock if oldest is not None else 0
        placed.ages = index.ages(placed.worker_id, chain)
        habit = self._habits.kept(placed.project, placed.model)
        habit.learn_reuse(bytes_of(index.depth(chain)), max(1, placed.prompt_bytes))
        fresh = index.place(placed.worker_id, chain, placed.project)
        if fresh and self.news is not None:
            begin = list(chain).index(fresh[0])
            self.news.append((placed.model, placed.worker_id, placed.project, begin, fresh))

    def _release(self, placed: Placed) -> KnownWorker | None:
        if placed.targeted:
            left = self._targeted.get(placed.project, 0) - 1
            if left > 0:
                self._targeted[placed.project] = left
            else:
                self._targeted.pop(placed.project, None)
            placed.targeted = False
        known = self._workers.get(placed.worker_id)
        if known is not None:
            known.drop(placed)
        return known
