"""Prefix index (KV cache locality): which workers have likely read how much of a prompt already.

No tokeniser and no events of engines: the bytes of a prompt are hashed as a chain of growing
blocks (``spans``), and for each hash a bitmask says which workers were sent it. How long a worker
keeps what it was sent is learned (``PrefixIndex.learn``): a clock of each counts the bytes that it
was sent since, and an engine that says how much of a prompt was cached says, too, at which age
its cache ends (LRU stack distance, Mattson 1970). Whatever is older is not believed in.

What is known is kept in two generations, young and old, each as large as that capacity; a hit
moves its chain to the young one, and when that is full the old one goes, some entries a decision,
so that nobody waits for a sweep. What is left of the error is corrected by ``Calibration``.

No project learns of another here: hashes begin with whose prompt it is (``spans.chain_of``), and
one project fills at most half of a generation while others ask that worker, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from inference.routing.shelf import CAPACITY, ENTRIES_MIN, GENERATION, SIZES, Shelf

SWEEP: Final = 128
"""More than a chain is long (``spans``), so that what dies is gone before the next does."""
CALIBRATION_ALPHA: Final = 0.03
CALIBRATION_MIN: Final = 0.05


class Calibration:
    """How much of what the index expects of a worker is so, as its engine reports it.

    ``reports``: whether it ever said anything. Until then its silence says nothing.
    """

    __slots__ = ("reports", "value")

    def __init__(self) -> None:
        self.value = 1.0
        self.reports = False

    def learn(self, expected: int, cached: int | None) -> None:
        """Learn of an answer: ``cached`` tokens as reported, none where it said nothing."""
        if cached is None:
            return
        self.reports = True
        if expected > 0:
            got = min(1.0, cached / expected)
            self.value = max(CALIBRATION_MIN, self.value + CALIBRATION_ALPHA * (got - self.value))


class PrefixIndex:
    """Which worker was sent which prefix: of one model, in one process. See the module.

    ``entries_max`` bounds all workers together (an entry is some 200 bytes); ``capacity`` is
    what a worker is taken to keep, in bytes of prompts, until it says what it found.
    """

    def __init__(self, entries_max: int = 400_000, capacity: int = CAPACITY) -> None:
        self._entries_max = entries_max
        self._capacity = capacity
        self._masks: dict[int, int] = {}
        self._shelves: dict[str, Shelf] = {}
        self._bits: list[str | None] = []

    @property
    def size(self) -> int:
        """Return how many prefixes are known, whoever holds them."""
        return len(self._masks)

    def entries(self) -> int:
        """Return what all workers are believed to hold: what the bound is of."""
        shelves = self._shelves.values()
        return sum(len(shelf.young) + len(shelf.old) + len(shelf.dying) for shelf in shelves)

    def match(self, chain: Sequence[int], workers: Sequence[str]) -> list[int]:
        """Return for each worker how many leading hashes of a chain it likely holds."""
        found = [0] * len(workers)
        places: dict[int, int] = {}
        among = 0
        for place, worker in enumerate(workers):
            shelf = self._shelves.get(worker)
            if shelf is not None:
                places[shelf.bit] = place
                among |= 1 << shelf.bit
        for depth, key in enumerate(chain):
            still = among & self._masks.get(key, 0)
            if still != among:
                _note(among & ~still, depth, places, found)
                among = still
                if not among:
                    break
        _note(among, len(chain), places, found)
        for place, depth in enumerate(found):
            if depth:
                found[place] = self._shelves[workers[place]].believed(chain, depth)
        return found

    def depth(self, chain: Sequence[int]) -> int:
        """Return how many leading hashes of a chain were sent to anybody, believed in or not."""
        for depth, key in enumerate(chain):
            if key not in self._masks:
                return depth
        return len(chain)

    def is_full(self, worker: str) -> bool:
        """Say whether a worker has been sent as much as it keeps."""
        shelf = self._shelves.get(worker)
        return shelf is not None and shelf.clock >= shelf.capacity

    def ages(self, worker: str, chain: Sequence[int]) -> list[int]:
        """Return of each leading hash that was sent to a worker how many bytes were sent since."""
        shelf = self._shelves.get(worker)
        return shelf.ages(chain) if shelf is not None else []

    def place(
        self, worker: str, chain: Sequence[int], project: str, *, begin: int = 0
    ) -> list[int]:
        """Note that a prompt was sent to a worker; returns the hashes that were new for it.

        ``begin``: how many hashes of the prompt stand before these.
        """
        shelf = self._shelf(worker)
        self._sweep(shelf)
        fresh: list[int] = []
        sent = grown = 0
        for key in chain:
            depth = begin + sent
            if key not in shelf.young:
                if shelf.old.pop(key, -1) < 0:
                    if not shelf.has_room(project):
                        break  # A chain is known from its beginning on, or not at all.
                    self._masks[key] = self._masks.get(key, 0) | (1 << shelf.bit)
                    fresh.append(key)
                shelf.fill(project, depth)
                grown += SIZES[depth]
            sent += 1
            shelf.young[key] = 0
        shelf.clock += grown
        for key in chain[:sent]:
            shelf.young[key] = shelf.clock
        if shelf.filled >= GENERATION:
            self._renew(shelf)
        return fresh

    def clock(self, worker: str) -> int:
        """Return how many bytes a worker was sent, those that it had lately once."""
        shelf = self._shelves.get(worker)
        return shelf.clock if shelf is not None else 0

    def learn(self, worker: str, ages: Sequence[int], unread: int, cached_bytes: int) -> None:
        """Learn from what an engine found in its cache how much it keeps.

        ``ages``: of the prompt's hashes when it was sent (``ages``). The oldest that was there
        says that it keeps at least as much, the youngest that was not, that it keeps less, unless
        it was only not read yet: ``unread`` bytes had been sent since the oldest prompt that was
        waiting there.
        """
        shelf = self._shelves.get(worker)
        if shelf is not None:
            shelf.learn(ages, unread, cached_bytes)

    def capacity(self, worker: str) -> int:
        """Return how many bytes of prompts a worker is taken to keep."""
        shelf = self._shelves.get(worker)
        return shelf.capacity if shelf is not None else self._capacity

    def forget(self, worker: str) -> None:
        """Forget a worker: it is gone, or has begun anew and holds nothing."""
        shelf = self._shelves.pop(worker, None)
        if shelf is None:
            return
        for key in (*shelf.young, *shelf.old, *shelf.dying):
            self._drop_bit(key, shelf.bit)
        self._bits[shelf.bit] = None

    def workers(self) -> list[str]:
        """Name those of whom anything is known."""
        return list(self._shelves)

    def _shelf(self, worker: str) -> Shelf:
        shelf = self._shelves.get(worker)
        if shelf is None:
            bit = self._bits.index(None) if None in self._bits else len(self._bits)
            if bit == len(self._bits):
                self._bits.append(worker)
            self._bits[bit] = worker
            shelf = self._shelves[worker] = Shelf(bit, self._capacity)
            # All together stay below the bound: each new one makes the others' part less.
            entries = max(ENTRIES_MIN, self._entries_max // len(self._shelves))
            for one in self._shelves.values():
                one.entries = entries
        return shelf

    def _renew(self, shelf: Shelf) -> None:
        """Let the old generation die, and begin another."""
        while shelf.dying:
            self._sweep(shelf)
        shelf.dying = list(shelf.old)
        shelf.old, shelf.young = shelf.young, {}
        shelf.by_project = {}
        shelf.filled = 0

    def _sweep(self, shelf: Shelf) -> None:
        for _ in range(min(SWEEP, len(shelf.dying))):
            key = shelf.dying.pop()
            if not shelf.holds(key):
                self._drop_bit(key, shelf.bit)

    def _drop_bit(self, key: int, bit: int) -> None:
        left = self._masks.get(key, 0) & ~(1 << bit)
        if left:
            self._masks[key] = left
        else:
            self._masks.pop(key, None)


def _note(bits: int, depth: int, places: dict[int, int], found: list[int]) -> None:
    """Write down how far those came who fell out here."""
    while bits:
        low = bits & -bits
        bits ^= low
        found[places[low.bit_length() - 1]] = depth
