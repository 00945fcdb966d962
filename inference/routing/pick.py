"""Choose a worker: the less busy of two drawn at random (power of two choices).

A policy may ask for it (``p2c``), and it takes over where deciding fails.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from inference.contracts.decisions import ALL_FULL, NOBODY_THERE, Decision
from inference.contracts.entries import Worker
from inference.contracts.snapshot import DETOUR, DOUBTED, FULL, OUT
from inference.fleet.ports import FREE

Picked = tuple[Worker, Decision]


class Picker:
    """Power of two choices (Mitzenmacher 2001): nearly as good as asking all, and no herd.

    ``load_of`` says how busy a worker is; ``may_try`` whether it is worth asking at all;
    ``is_doubted`` whether another should be asked instead, if there is one; ``says_full``
    whether its machine itself has said that it has no free place; ``detour`` whether it would be
    asked by way of another gateway (``fleet.ports``): then it says full, and there may be room.
    """

    def __init__(
        self,
        load_of: Callable[[Worker], int],
        may_try: Callable[[Worker], bool],
        is_doubted: Callable[[str], bool],
        random: Random,
        says_full: Callable[[Worker], bool] | None = None,
        detour: Callable[[Worker], str] | None = None,
    ) -> None:
        self._load_of = load_of
        self._may_try = may_try
        self._is_doubted = is_doubted
        self._random = random
        self._says_full = says_full
        self._detour = detour or _straight

    def pick(
        self, pools: Sequence[Sequence[Worker]], tried: Sequence[str], fallback: int = 0
    ) -> Picked | None:
        """Return a worker of the first pool that has one not tried yet; none if all were.

        A worker without a free slot is passed over while another has one; one that is doubted
        while any other is left. ``fallback``: why these pools stand in for others, if they do.
        """
        doubted: list[Worker] = []
        for workers in pools:
            fresh = [w for w in workers if w.worker_id not in tried and self._may_try(w)]
            sound = [w for w in fresh if not self._is_doubted(w.worker_id)]
            if sound:
                free = [w for w in sound if not self._is_full(w)]
                if free:
                    return self._less_busy(free, len(tried), fallback)
                return self._last_resort(sound, len(tried), fallback)
            doubted = doubted or fresh
        return self._last_resort(doubted, len(tried), fallback) if doubted else None

    def lacks(self, pools: Sequence[Sequence[Worker]]) -> int:
        """Say why no worker should be asked now (``decisions``); 0 if one with room is there."""
        reason = NOBODY_THERE
        for workers in pools:
            for worker in workers:
                if self._may_try(worker) and not self._is_doubted(worker.worker_id):
                    if not self._is_full(worker) or self._detour(worker) == FREE:
                        return 0
                    reason = ALL_FULL
        return reason

    def state_of(self, worker: Worker) -> int:
        """Return what is known of a worker, whoever asks: bits of ``snapshot``."""
        if not self._may_try(worker):
            return OUT
        state = DOUBTED if self._is_doubted(worker.worker_id) else 0
        if self._is_full(worker):
            state |= FULL
        return state | DETOUR if self._detour(worker) else state

    def load_of(self, worker: Worker) -> int:
        """Return how many requests a worker is believed to run, whoever asked."""
        return self._load_of(worker)

    def _is_full(self, worker: Worker) -> bool:
        if worker.slots is not None and self._load_of(worker) >= worker.slots:
            return True
        return self._says_full is not None and self._says_full(worker)

    def _last_resort(self, workers: list[Worker], tried: int, fallback: int) -> Picked:
        """Choose among those of whom none is free, and note how far away it is."""
        worker, known = self._less_busy(workers, tried, fallback)
        hops = 1 if self._detour(worker) else 0
        return worker, Decision(tried, known.candidates, known.in_flight, fallback, hops)

    def _less_busy(self, workers: list[Worker], tried: int, fallback: int) -> Picked:
        among = len(workers)
        worker = workers[int(self._random.random() * among)] if among > 1 else workers[0]
        in_flight = self._load_of(worker)
        if among > 1:
            other = workers[int(self._random.random() * among)]
            others = self._load_of(other)
            if others < in_flight:
                worker, in_flight = other, others
        return worker, Decision(tried, among, in_flight, fallback)


def _straight(_worker: Worker) -> str:
    return ""
