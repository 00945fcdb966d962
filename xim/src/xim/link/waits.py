"""How long to wait before a gateway is dialled again, by how the last link ended; pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from xim.link.endings import Ending, Next
from xim.link.timing import BACK_OFF_MOST_S, BackOff

SPREAD_S = 1.0
IN_VAIN = 15
"""So often a balancer may lead to a gateway that is held before it is thought to do so always."""
GROWTH = 1.5


@dataclass(slots=True)
class Waits:
    """The patience of one seat: where a link belongs, and is dialled until it is there."""

    chance: Random
    back_off: BackOff = field(init=False)
    in_vain: int = 0

    def __post_init__(self) -> None:
        self.back_off = BackOff(self.chance)

    def next_s(self, ending: Ending, lived_s: float | None = None, spread_s: float = 0.0) -> float:
        """Return the wait after a link that was live for ``lived_s``, or never."""
        if ending.next is Next.AGAIN:
            return self._again_s(ending)
        self.in_vain = 0
        if ending.next is Next.SPREAD and lived_s is not None:
            return self.chance.uniform(0, spread_s or SPREAD_S)
        if ending.next is Next.AS_TOLD:
            return ending.least_s + self.chance.uniform(0, SPREAD_S)
        return max(ending.least_s * self.chance.uniform(1.0, 1.2), self._backed_off_s(lived_s))

    def settled(self) -> None:
        """Hear that no link is wanting: whatever comes next is another matter."""
        self.in_vain = 0

    def _backed_off_s(self, lived_s: float | None) -> float:
        return self.back_off.next_s(0.0 if lived_s is None else lived_s)

    def _again_s(self, ending: Ending) -> float:
        usual_s = max(ending.least_s, SPREAD_S) * self.chance.uniform(0.5, 1.5)
        self.in_vain += 1
        return min(BACK_OFF_MOST_S, usual_s * GROWTH ** max(0, self.in_vain - IN_VAIN))
