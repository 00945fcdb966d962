"""What other gateways have at a worker (peer load), as they said last, fading."""

from __future__ import annotations

from typing import Final

FADES_US: Final = 5_000_000
"""After so long without a word nothing is believed of it."""
GATEWAYS_MAX: Final = 64

Load = tuple[int, int, int]
"""Requests in flight, backlog in tokens, importance."""


class Elsewhere:
    """See the module. Times are microseconds of the loop's clock."""

    NOTHING: Final[Load] = (0, 0, 0)

    __slots__ = ("_by_worker",)

    def __init__(self) -> None:
        self._by_worker: dict[str, dict[str, tuple[int, Load]]] = {}

    def hear(self, gateway: str, worker_id: str, now_us: int, load: Load) -> None:
        """Take what a gateway said of a worker."""
        said = self._by_worker.setdefault(worker_id, {})
        if load == Elsewhere.NOTHING:
            said.pop(gateway, None)
        elif gateway in said or len(said) < GATEWAYS_MAX:
            said[gateway] = (now_us, load)
        if not said:
            del self._by_worker[worker_id]

    def at(self, worker_id: str, now_us: int) -> Load:
        """Return what all of them have there, as far as it is still believed."""
        said = self._by_worker.get(worker_id)
        if said is None:
            return Elsewhere.NOTHING
        in_flight = backlog = importance = 0
        gone = []
        for gateway, (at_us, load) in said.items():
            left_us = FADES_US - (now_us - at_us)
            if left_us <= 0:
                gone.append(gateway)
                continue
            in_flight += (load[0] * left_us + FADES_US - 1) // FADES_US
            backlog += load[1] * left_us // FADES_US
            importance += load[2] * left_us // FADES_US
        for gateway in gone:
            del said[gateway]
        return in_flight, backlog, importance
