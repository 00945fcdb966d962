"""Which workers there are, what is believed of each, and how one is chosen: put together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from random import Random

from inference.contracts.entries import Worker
from inference.exchange.config import PlaneConfig
from inference.fleet.fleet import Fleet
from inference.fleet.health_checks import Prober
from inference.gateway.published import Published
from inference.gateway.reports import Reports
from inference.gateway.sharing import Sharing
from inference.routing.health import Breakers
from inference.routing.pick import Picker
from inference.routing.recorder import Recorder
from inference.routing.roster import Roster
from inference.routing.router import Router
from inference.routing.spans import seed_of
from inference.routing.state import State
from inference.routing.weigh import Scales


class Choosing:
    """See the module. Made inside the loop; ``name``: this gateway's."""

    def __init__(
        self, name: str, config: PlaneConfig, published: Published, reports: Reports, fleet: Fleet
    ) -> None:
        self.roster = Roster(published.link, published.tables, name)
        self.health = Breakers(asyncio.get_running_loop().time, reports.faults)
        picker, seed = self._picker(fleet), seed_of(config.peppers)
        self._say = reports.log.say
        self.scales = Scales(picker, self.health, State(), asyncio.get_running_loop().time, seed)
        self.recorder = Recorder(published.link.call, published.is_up, name, time.time)
        self.scales.note = self.recorder.note
        self.sharing = Sharing(name, published, self.scales)
        self.router = Router(picker, self.health, self.scales, self._on_fault)
        self.prober = Prober(
            fleet,
            self.health,
            lambda: [*self._in_use(), *self.roster.workers()],
            reports.log.say,
            every_s=config.waits.probe_every_s,
            wait_s=config.waits.probe_s,
        )
        self.health.suspect = self.prober.suspect
        self._fleet = fleet
        self._in_use: Callable[[], list[Worker]] = list

    def start(self, in_use: Callable[[], list[Worker]]) -> None:
        """Begin to look after the workers of all pools, and after those that requests came for."""
        self._in_use = in_use
        self.prober.start()
        self.roster.start(self._see)
        self.sharing.start()

    def stop(self) -> None:
        """Look after nobody any more."""
        self.prober.stop()
        self.roster.stop()
        self.sharing.stop()

    def tell(self) -> None:
        """Tell the last of the decisions."""
        self.recorder.stop()

    def counts(self) -> dict[str, float]:
        """Count decisions: those that failed, those told of and not; and prefixes known."""
        return {
            "router_faults": self.router.faults,
            "decisions_recorded": self.recorder.told,
            "decisions_dropped": self.recorder.dropped,
            "prefix_entries": self.scales.state.memories.entries(),
        }

    def _on_fault(self, words: str) -> None:
        self._say("router_failed", "error", reason=words)

    def _picker(self, fleet: Fleet) -> Picker:
        return Picker(
            fleet.load_of,
            lambda worker: self.health.may_try(worker.worker_id) and fleet.is_open(worker),
            self.health.is_doubted,
            Random(),  # noqa: S311 - spreads work, hides nothing
            fleet.is_full,
            fleet.detour,
        )

    def _see(self, worker_id: str) -> tuple[bool, float | None, int, str]:
        is_out = worker_id in self.health.out()
        answered_at, heard = self.prober.answered_at(worker_id), self.prober.heard(worker_id)
        return is_out, answered_at, self._fleet.in_flight(worker_id), heard
