"""Which worker probably holds which prefix: one index that all rules of others share."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence


class PrefixIndex:
    """Blocks that were sent to each worker, the ``sizes[worker]`` that were sent last."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self._sizes = sizes
        self._kept: list[OrderedDict[int, None]] = [OrderedDict() for _ in sizes]
        self._holders: dict[int, int] = {}

    def match(self, blocks: Sequence[int]) -> list[int]:
        """Return for each worker how many blocks from the beginning on it holds."""
        found = [0] * len(self._sizes)
        alive = (1 << len(found)) - 1
        for number, block in enumerate(blocks):
            here = alive & self._holders.get(block, 0)
            gone = alive ^ here
            while gone:
                low = gone & -gone
                found[low.bit_length() - 1] = number
                gone ^= low
            alive = here
            if not alive:
                return found
        for worker in range(len(found)):
            if alive >> worker & 1:
                found[worker] = len(blocks)
        return found

    def put(self, blocks: Sequence[int], worker: int) -> None:
        """Note that a worker will hold a prompt."""
        kept, bit = self._kept[worker], 1 << worker
        for block in blocks:
            kept[block] = None
            kept.move_to_end(block)
            self._holders[block] = self._holders.get(block, 0) | bit
        while len(kept) > self._sizes[worker]:
            old, _ = kept.popitem(last=False)
            left = self._holders[old] & ~bit
            if left:
                self._holders[old] = left
            else:
                del self._holders[old]

    def size(self, worker: int) -> int:
        """Return how many blocks a worker probably holds."""
        return len(self._kept[worker])
