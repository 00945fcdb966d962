"""A shelf (an LRU cache as its keeper sees it): what one worker is believed to hold of prompts.

A clock counts the bytes that it was sent, each once a generation, so that what was sent since a
block says how deep in the worker's cache it lies by now (stack distance; Mattson 1970). How deep
that cache is is learned from what the engine says that it found there.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from inference.routing.spans import ENDS

ENTRIES_MIN: Final = 256
CAPACITY: Final = 16 << 20
"""Bytes of prompts that a worker is taken to keep until it says: four million tokens or so. Too
many are soon found to be too many; of too few nobody asks for what would prove it."""
CAPACITY_MIN, CAPACITY_MAX = 256 << 10, 256 << 20
FIRST_REPORTS: Final = 8
FIRST_SHIFT, LATER_SHIFT = 3, 4
"""What is missing takes an eighth off a capacity at first, and later a sixteenth. What is there
beyond it is the rarer and the surer: it adds half of the way."""
SLACK: Final = 4096
"""Bytes by which an engine's blocks may end before ours."""
NEVER: Final = 1 << 60

GENERATION: Final = 1 << 30
SIZES: Final = [ENDS[0], *[end - begin for begin, end in pairwise(ENDS)]]
"""Bytes of each block of a chain."""


class Shelf:
    """What one worker is believed to hold.

    ``capacity``: bytes that it keeps, as learned from so many ``reports``;
    ``young``, ``old``: its hashes, each with the clock when it was sent last; ``filled``, and
    ``by_project`` of it: how much of a generation the young one is, of ``GENERATION``.
    """

    __slots__ = (
        "bit",
        "by_project",
        "capacity",
        "clock",
        "dying",
        "entries",
        "filled",
        "old",
        "reports",
        "young",
    )

    def __init__(self, bit: int, capacity: int) -> None:
        self.bit = bit
        self.capacity = capacity
        self.entries = ENTRIES_MIN
        self.young: dict[int, int] = {}
        self.old: dict[int, int] = {}
        self.dying: list[int] = []
        self.by_project: dict[str, int] = {}
        self.clock = self.filled = self.reports = 0

    def holds(self, key: int) -> bool:
        """Say whether anything is known of it."""
        return key in self.young or key in self.old

    def age(self, key: int) -> int:
        """Return how many bytes were sent since; ``NEVER`` if nothing is known of it."""
        at = self.young.get(key, -1)
        if at < 0:
            at = self.old.get(key, -1)
        return self.clock - at if at >= 0 else NEVER

    def ages(self, chain: Sequence[int]) -> list[int]:
        """Return the ages of the leading hashes of a chain of which anything is known."""
        found: list[int] = []
        for key in chain:
            age = self.age(key)
            if age == NEVER:
                break
            found.append(age)
        return found

    def believed(self, chain: Sequence[int], depth: int) -> int:
        """Return how many of the first ``depth`` hashes are young enough to be there still."""
        if self.age(chain[depth - 1]) <= self.capacity:
            return depth
        # A chain is sent from its beginning on: what stands deeper in it is never younger.
        low, high = 0, depth - 1
        while low < high:
            middle = (low + high) // 2
            if self.age(chain[middle]) <= self.capacity:
                low = middle + 1
            else:
                high = middle
        return low

    def fill(self, project: str, depth: int) -> None:
        """Count a block of the young generation, by its size and as one of so many entries."""
        part = max(SIZES[depth] * GENERATION // self.capacity, 2 * GENERATION // self.entries)
        self.filled += part
        self.by_project[project] = self.by_project.get(project, 0) + part

    def has_room(self, project: str) -> bool:
        """Say whether a project may put more there: not over half of it, where others are."""
        mine = self.by_project.get(project, 0)
        return mine < GENERATION // 2 or len(self.by_project) <= (1 if mine else 0)

    def learn(self, ages: Sequence[int], unread: int, cached_bytes: int) -> None:
        """Learn from what its engine found in its cache how much it keeps (``PrefixIndex``)."""
        there = 0
        while there < len(ages) and ENDS[there] <= cached_bytes:
            there += 1
        if there and ages[there - 1] > self.capacity:
            self._move((ages[there - 1] - self.capacity) // 2 + 1)
        while there < len(ages) and ENDS[there] <= cached_bytes + SLACK:
            there += 1
        if there < len(ages) and unread < ages[there] < self.capacity:
            self._move(-(self.capacity >> self._shift()))

    def _shift(self) -> int:
        return FIRST_SHIFT if self.reports < FIRST_REPORTS else LATER_SHIFT

    def _move(self, by: int) -> None:
        self.reports += 1
        self.capacity = max(CAPACITY_MIN, min(self.capacity + by, CAPACITY_MAX))
