"""Prefix index (KV cache locality): which workers have likely read how much of a prompt already.

No tokeniser and no events of engines: the bytes of a prompt are hashed as a chain of growing
blocks (``spans``), and for each hash a bitmask says which workers were sent it. What a worker is
believed to hold is two generations, young and old; a hit moves its chain to the young one, and
when that is full the old one goes, 64 entries a decision, so that nobody waits for a sweep. How
far it can be believed is corrected by what engines report (``Calibration``).

No project learns of another here: hashes begin with whose prompt it is (``spans.root``), and one
project fills at most half of what a worker is believed to hold while others ask it, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

SWEEP: Final = 128
"""More than a chain is long (``spans``), so that what dies is gone before the next does."""
ENTRIES_DEFAULT: Final = 8_192
ENTRIES_MIN: Final = 256
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


class _Shelf:
    """What one worker is believed to hold."""

    __slots__ = ("bit", "by_project", "dying", "half", "old", "young")

    def __init__(self, bit: int, entries: int) -> None:
        self.bit = bit
        self.half = max(entries, ENTRIES_MIN) // 2
        self.young: dict[int, None] = {}
        self.old: dict[int, None] = {}
        self.dying: list[int] = []
        self.by_project: dict[str, int] = {}

    def holds(self, key: int) -> bool:
        """Say whether it is believed to hold it."""
        return key in self.young or key in self.old


class PrefixIndex:
    """Which worker was sent which prefix: of one model, in one process. See the module.

    ``entries_max`` bounds all workers together (an entry is some 160 bytes).
    """

    def __init__(self, entries_max: int = 400_000) -> None:
        self._entries_max = entries_max
        self._masks: dict[int, int] = {}
        self._shelves: dict[str, _Shelf] = {}
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
        """Return for each worker how many leading hashes of a chain it holds."""
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
                    return found
        _note(among, len(chain), places, found)
        return found

    def place(self, worker: str, chain: Sequence[int], project: str, entries: int) -> list[int]:
        """Note that a prompt was sent to a worker; returns the hashes that were new for it."""
        shelf = self._shelf(worker, entries)
        self._sweep(shelf)
        fresh = []
        for key in chain:
            if shelf.old.pop(key, 0) is None or key in shelf.young:
                shelf.young[key] = None
                continue
            if not self._has_room(shelf, project):
                break  # A chain is known from its beginning on, or not at all.
            shelf.young[key] = None
            shelf.by_project[project] = shelf.by_project.get(project, 0) + 1
            self._masks[key] = self._masks.get(key, 0) | (1 << shelf.bit)
            fresh.append(key)
        if len(shelf.young) >= shelf.half:
            self._age(shelf)
        return fresh

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

    def _shelf(self, worker: str, entries: int) -> _Shelf:
        shelf = self._shelves.get(worker)
        if shelf is None:
            bit = self._bits.index(None) if None in self._bits else len(self._bits)
            if bit == len(self._bits):
                self._bits.append(worker)
            self._bits[bit] = worker
            shelf = self._shelves[worker] = _Shelf(bit, entries)
            self._share_out()
        return shelf

    def _share_out(self) -> None:
        """Keep all workers together below the bound: each new one makes the others' part less."""
        most = max(ENTRIES_MIN, self._entries_max // len(self._shelves)) // 2
        for shelf in self._shelves.values():
            shelf.half = min(shelf.half, most)

    def _has_room(self, shelf: _Shelf, project: str) -> bool:
        """Say whether a project may put more there: not over half of it, where others are."""
        mine = shelf.by_project.get(project, 0)
        return mine < shelf.half // 2 or len(shelf.by_project) <= (1 if mine else 0)

    def _age(self, shelf: _Shelf) -> None:
        while shelf.dying:
            self._sweep(shelf)
        shelf.dying = list(shelf.old)
        shelf.old, shelf.young = shelf.young, {}
        shelf.by_project = {}

    def _sweep(self, shelf: _Shelf) -> None:
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
