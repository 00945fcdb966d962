"""Which prefixes are where (prefix indices), for all models of a process, within one bound."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from inference.contracts.entries import Worker
from inference.routing.demand import Demand
from inference.routing.habits import Habit
from inference.routing.placed import Placed
from inference.routing.prefixes import PrefixIndex
from inference.routing.spans import ENDS, bytes_of

ENTRIES_MAX: Final = 320_000
"""Of all models: about 64 MiB."""
MODELS_MAX: Final = 256

News = tuple[str, str, str, int, list[int]]
"""Model, worker, project, how many hashes stand before these, and these."""


class Memories:
    """See the module. ``news``: prefixes that were new for a worker; none if nobody asks."""

    __slots__ = ("_by_model", "_entries_max", "news")

    def __init__(self, entries_max: int) -> None:
        self._entries_max = entries_max
        self._by_model: OrderedDict[str, PrefixIndex] = OrderedDict()
        self.news: list[News] | None = None

    def hits(self, demand: Demand, workers: Sequence[Worker]) -> list[int]:
        """Return for each worker how many bytes of a prompt it is expected to have read."""
        index = self._by_model.get(demand.model)
        if index is None or not demand.chain:
            return [0] * len(workers)
        depths = index.match(demand.chain, [worker.worker_id for worker in workers])
        return [bytes_of(depth) for depth in depths]

    def is_full(self, model: str, worker_id: str) -> bool:
        """Say whether a worker forgets as much as it is sent."""
        index = self._by_model.get(model)
        return index is not None and index.is_full(worker_id)

    def place(
        self, placed: Placed, chain: Sequence[int], oldest: Placed | None, habit: Habit
    ) -> None:
        """Note that a prompt is sent to a worker. ``oldest``: what waits there longest."""
        index = self._index(placed.model)
        placed.clock = index.clock(placed.worker_id)
        placed.unread = placed.clock - oldest.clock if oldest is not None else 0
        placed.ages = index.ages(placed.worker_id, chain)
        habit.learn_reuse(bytes_of(index.depth(chain)), max(1, placed.prompt_bytes))
        fresh = index.place(placed.worker_id, chain, placed.project)
        if fresh and self.news is not None:
            begin = list(chain).index(fresh[0])
            self.news.append((placed.model, placed.worker_id, placed.project, begin, fresh))

    def hear(self, news: News) -> None:
        """Note what another gateway sent to a worker. Raises ``ValueError`` if that can't be so."""
        model, worker_id, project, begin, hashes = news
        if begin < 0 or begin + len(hashes) > len(ENDS):
            raise ValueError(f"a prompt has {len(ENDS)} blocks at most")
        self._index(model).place(worker_id, hashes, project, begin=begin)

    def learn(self, placed: Placed, cached_bytes: int) -> None:
        """Learn how much of a prompt its engine says it had."""
        index = self._by_model.get(placed.model)
        if index is not None:
            index.learn(placed.worker_id, placed.ages, placed.unread, cached_bytes)

    def forget(self, worker_id: str) -> None:
        """Forget what a worker was sent."""
        for index in self._by_model.values():
            index.forget(worker_id)

    def entries(self) -> int:
        """Count what all workers are expected to hold."""
        return sum(index.entries() for index in self._by_model.values())

    def _index(self, model: str) -> PrefixIndex:
        index = self._by_model.get(model)
        if index is None:
            index = self._by_model[model] = PrefixIndex(self._entries_max)
            self._make_room(model)
        self._by_model.move_to_end(model)
        return index

    def _make_room(self, newest: str) -> None:
        """Let go of the models that nobody asked for longest, until all is within the bound.

        It is looked at when a model comes: what one index may hold is bounded by itself.
        """
        while len(self._by_model) > MODELS_MAX or self.entries() > self._entries_max:
            oldest = next(iter(self._by_model))
            if oldest == newest:
                return
            del self._by_model[oldest]
