"""Policies (scheduling policy): five numbers that say what a decision weighs; pure.

A decision minimises predicted microseconds (docs/routing.md), so that a policy has no weights of
signals: it says how much the delay of others counts, how much a request counts that named no
target, how sharply the cheapest is preferred, and what ownership and money are worth in time.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Final

ONE: Final = 1024
"""Shares are integers of 1,024: what is decided again has to come out the same to the bit."""

EPSILON_MAX: Final = 10
"""Per mille. More costs more than it finds (measured: 5 % cost 1.3 to 1.7 points in time)."""


class BadPolicy(ValueError):
    """A number of a policy is out of its bounds; the message names it and them."""


@dataclass(frozen=True)
class Policy:
    """What a decision weighs. ``version`` rises with every change; ``digest`` names the content.

    ``kappa``: what a request does to those already there, against what it waits itself (1,024
    is as much); ``untargeted``: how much a request counts that named no target (1,024 is as
    one that did); ``squarings``: the share of a worker falls with (least / cost) to the power of
    two to the so-many-th; ``premium_us``: what a machine of the platform is dearer than one's
    own; ``money_us``: what a micro-unit of price is worth. ``epsilon``: per mille of requests
    without a target that are sent at random.
    """

    name: str
    kappa: int = 512
    untargeted: int = 256
    squarings: int = 4
    premium_us: int = 500_000
    money_us: int = 0
    epsilon: int = 0
    version: int = 1

    def __post_init__(self) -> None:
        """Hold every number to its bounds. Raises ``BadPolicy``."""
        for name, (least, most) in BOUNDS.items():
            if not least <= getattr(self, name) <= most:
                raise BadPolicy(f"{name} has to be from {least} to {most}.")

    def digest(self) -> str:
        """Name what it says: sixteen hexadecimal digits."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


BOUNDS: Final[dict[str, tuple[int, int]]] = {
    "kappa": (0, 4 * ONE),
    "untargeted": (1, ONE),
    "squarings": (0, 6),
    "premium_us": (0, 60_000_000),
    "money_us": (0, 1_000_000),
    "epsilon": (0, EPSILON_MAX),
}
"""The least and the most that each number may be."""

BALANCED: Final = Policy("balanced")
POWER_OF_TWO: Final = Policy("p2c")
"""The less busy of two drawn at random, whatever the numbers say: the switch that turns it off."""
POLICIES: Final = {
    policy.name: policy
    for policy in (
        BALANCED,
        Policy("latency", kappa=307),
        Policy("locality", kappa=ONE),
        Policy("cost", money_us=100),
        POWER_OF_TWO,
    )
}
"""Those there are from the start."""
