"""What every exchange of one process shares: its tools, and where its facts go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from inference.admission.ports import Limiter
from inference.contracts.entries import Pool, Worker
from inference.contracts.names import pool_key
from inference.exchange.config import PlaneConfig
from inference.exchange.slow_readings import SlowReadings
from inference.exchange.timers import Wheel
from inference.fleet.fleet import Fleet
from inference.gate.passes import PassBook
from inference.gate.tables import Tables
from inference.http.problems import Refused
from inference.routing.router import Router
from inference.telemetry.outcome import Outcome

AbleKey = tuple[tuple[str, ...], str, str]
Able = tuple[list[Pool | None], list[list[Worker]]]


class Underway(Protocol):
    """A request that has not ended yet, as those see it who look after all of them."""

    @property
    def stands_on(self) -> tuple[str, ...]:
        """Name the entries that let it in, and may be taken back."""

    def look_again(self, thing: object) -> None:
        """Learn what one of these entries says now."""

    def stop(self) -> None:
        """End now: the process stops."""


class Reporter(Protocol):
    """Who is told of every request that ended."""

    def ended(self, outcome: Outcome) -> None:
        """Take the facts of a request that is closed."""

    def refused(self, outcome: Outcome, refusal: Refused) -> None:
        """Learn that one of them was refused before it was admitted."""


@dataclass
class Plane:
    """The tools of a gateway process. ``clock`` gives Unix seconds, ``now`` those of the loop."""

    config: PlaneConfig
    now: Callable[[], float]
    clock: Callable[[], float]
    tables: Tables
    limiter: Limiter
    fleet: Fleet
    router: Router
    wheel: Wheel
    slow_readings: SlowReadings
    reporter: Reporter
    passes: PassBook = field(default_factory=PassBook)
    able: dict[AbleKey, Able] = field(default_factory=dict)
    """Workers that can serve an operation, found once for each set of pools and region."""
    stopping: bool = False
    """No new requests should come: probes and connections say so. Those that come are served."""
    draining: bool = False
    """None is let in any more."""
    running: set[Underway] = field(default_factory=set)
    """Exchanges that have not ended yet."""

    def workers_in_use(self) -> list[Worker]:
        """Return the workers of every pool that was asked for, as the pools are known now."""
        names = {name for pools, _, _ in self.able for name in pools}
        pools = [self.tables.recall(pool_key(name)) for name in names]
        return [w for p in pools if isinstance(p, Pool) and not p.gone for w in p.workers]
