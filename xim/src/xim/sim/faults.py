"""What a simulated engine does wrong, as told by option or by a model's name; pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from random import Random


class Fault(Enum):
    """Ways in which engines fail."""

    REFUSE = "refuse"
    HANG = "hang"
    BREAK = "break"
    DRIP = "drip"
    WRONG_LENGTH = "wrong-length"
    ERROR = "5xx"


MEANINGS = {
    Fault.REFUSE: "hangs up before it answers",
    Fault.HANG: "is silent before the first byte",
    Fault.BREAK: "hangs up in the middle of its answer",
    Fault.DRIP: "answers a byte at a time",
    Fault.WRONG_LENGTH: "says more bytes than it sends",
    Fault.ERROR: "answers with status 500",
}


@dataclass(frozen=True, slots=True)
class Chance:
    """A fault, and the share of requests that meet it."""

    fault: Fault
    share: float

    @classmethod
    def read(cls, text: str) -> Chance:
        """Read ``hang`` or ``hang:0.1``; raises ``ValueError`` for anything else."""
        name, colon, share = text.partition(":")
        known = ", ".join(one.value for one in Fault)
        try:
            found = cls(Fault(name), float(share) if colon else 1.0)
        except ValueError as fault:
            raise ValueError(f"a fault is one of {known}, maybe with :0.1") from fault
        if not 0 <= found.share <= 1:
            raise ValueError("the share of a fault lies between 0 and 1")
        return found


def by_name(model: str) -> tuple[str, Fault | None]:
    """Return a model's name without the fault in it, and that fault: ``tiny-hang``."""
    for one in Fault:
        if model.endswith(f"-{one.value}"):
            return model.removesuffix(f"-{one.value}"), one
    return model, None


def drawn(chances: tuple[Chance, ...], dice: Random) -> Fault | None:
    """Return the fault that meets this request, if one does."""
    for one in chances:
        if dice.random() < one.share:
            return one.fault
    return None
