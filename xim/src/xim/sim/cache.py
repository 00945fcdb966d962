"""The memory of a simulated engine (KV cache): blocks of prompts that later ones share; pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

BLOCK_TOKENS = 16


class Cache:
    """Blocks with how many requests hold them; those that nobody holds go, the oldest first."""

    def __init__(self, tokens: int, block_tokens: int = BLOCK_TOKENS) -> None:
        self._room = tokens
        self._block = block_tokens
        self._own = 0
        self._held: dict[int, int] = {}
        self._idle: OrderedDict[int, None] = OrderedDict()

    @property
    def use(self) -> float:
        """Return the share that requests under way hold, 0 to 1."""
        return min(1.0, (self._own + len(self._held) * self._block) / self._room)

    def matched(self, blocks: Sequence[int]) -> int:
        """Return how many blocks of a prompt are known from its beginning on."""
        for count, block in enumerate(blocks):
            if block not in self._held and block not in self._idle:
                return count
        return len(blocks)

    def reserve(self, blocks: Sequence[int], own_tokens: int) -> bool:
        """Hold known ``blocks``, and room for tokens of one's own; say whether it fits."""
        fresh = sum(block not in self._held for block in blocks)
        wanted = self._own + own_tokens + (len(self._held) + fresh) * self._block
        if wanted > self._room:
            return False
        for block in blocks:
            self._hold(block)
        self._own += own_tokens
        self._shrink()
        return True

    def share(self, blocks: Sequence[int]) -> None:
        """Make blocks that were one's own known to others; they stay held."""
        self._own -= len(blocks) * self._block
        for block in blocks:
            self._hold(block)

    def release(self, blocks: Sequence[int], own_tokens: int) -> None:
        """Let go of everything a request held; what is known stays until room is wanted."""
        self._own -= own_tokens
        for block in blocks:
            self._held[block] -= 1
            if not self._held[block]:
                del self._held[block]
                self._idle[block] = None

    def _hold(self, block: int) -> None:
        self._held[block] = self._held.get(block, 0) + 1
        self._idle.pop(block, None)

    def _shrink(self) -> None:
        held = self._own + len(self._held) * self._block
        while self._idle and held + len(self._idle) * self._block > self._room:
            self._idle.popitem(last=False)
