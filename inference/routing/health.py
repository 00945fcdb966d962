"""Which workers are worth asking: what live traffic makes of them, and what probes found."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from inference.routing.breaker import Breaker, BreakerConfig
from inference.telemetry.faults import Faults

WORKERS_MAX = 4096


class Breakers:
    """What is believed of workers, from live traffic, and from probes (``fleet.health_checks``).

    A worker that never failed has no breaker at all. ``now`` is a monotonic clock.
    ``suspect`` is called with each worker that a probe should ask soon. ``faults``: what
    workers answered; it is counted and shown, and held against none of them.
    """

    def __init__(
        self,
        now: Callable[[], float],
        faults: Faults,
        config: BreakerConfig | None = None,
    ) -> None:
        self.faults = faults
        self.suspect: Callable[[str], None] = _nobody_asks
        self._now = now
        self._config = config
        self._breakers: OrderedDict[str, Breaker] = OrderedDict()
        self._put_out: set[str] = set()

    def may_try(self, worker_id: str) -> bool:
        """Say whether a request may go there now."""
        return worker_id not in self._put_out

    def is_doubted(self, worker_id: str) -> bool:
        """Say whether another should be asked instead, if there is one."""
        breaker = self._breakers.get(worker_id)
        return breaker is not None and breaker.is_doubted(self._now())

    def is_on_trial(self, worker_id: str) -> bool:
        """Say whether it was doubted until a moment ago, and has not answered since."""
        breaker = self._breakers.get(worker_id)
        return breaker is not None and breaker.is_on_trial(self._now())

    def succeeded(self, worker_id: str) -> None:
        """Note that a worker began to answer, whatever it said."""
        breaker = self._breakers.get(worker_id)
        if breaker is not None:
            breaker.succeeded(self._now())

    def failed(self, worker_id: str) -> None:
        """Note a failure that was the worker's own."""
        breaker = self._breakers.get(worker_id)
        if breaker is None:
            breaker = self._breakers[worker_id] = Breaker(self._config)
            while len(self._breakers) > WORKERS_MAX:
                self._breakers.popitem(last=False)
        breaker.failed(self._now())
        self.suspect(worker_id)

    def answered_error(self, worker_id: str, project: str, status: int) -> None:
        """Note that it refused a request or failed at it, and said so."""
        self.succeeded(worker_id)
        self.faults.count(worker_id, project, status)

    def was_late(self, worker_id: str, project: str) -> None:
        """Note that an answer took longer than the one who asked may wait.

        That may be the engine's fault or the question's: a probe will tell.
        """
        self.faults.count(worker_id, project, 0)
        self.suspect(worker_id)

    def put_out(self, worker_id: str) -> None:
        """Send nothing there until it is let in: probes found nobody."""
        self._put_out.add(worker_id)

    def let_in(self, worker_id: str) -> None:
        """Take that back; a doubt still holds."""
        self._put_out.discard(worker_id)

    def out(self) -> list[str]:
        """Name the workers that get no requests now."""
        return sorted(self._put_out)

    def doubted(self) -> list[str]:
        """Name the workers that get none while another can be asked."""
        now = self._now()
        return sorted(name for name, breaker in self._breakers.items() if breaker.is_doubted(now))


def _nobody_asks(_worker_id: str) -> None:
    """Do without probes."""
