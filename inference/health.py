"""Which workers are worth asking: a circuit breaker for each one that has failed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from inference.fleet.breaker import Breaker, BreakerConfig

WORKERS_MAX = 4096


class Breakers:
    """``plane.Health`` from live traffic, and from probes (``fleet.probe``).

    A worker without a failure has no breaker at all. ``now`` is a monotonic clock.
    """

    def __init__(self, now: Callable[[], float], config: BreakerConfig | None = None) -> None:
        self._now = now
        self._config = config
        self._breakers: OrderedDict[str, Breaker] = OrderedDict()
        self._put_out: set[str] = set()

    def may_try(self, worker_id: str) -> bool:
        """Say whether a request may go there now."""
        if worker_id in self._put_out:
            return False
        breaker = self._breakers.get(worker_id)
        return breaker is None or breaker.may_ask(self._now())

    def asked(self, worker_id: str) -> None:
        """Note that one went there."""
        breaker = self._breakers.get(worker_id)
        if breaker is not None:
            breaker.asked(self._now())

    def succeeded(self, worker_id: str) -> None:
        """Note that a worker began to answer."""
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

    def given_up(self, worker_id: str) -> None:
        """Note that nobody waited for the verdict."""
        breaker = self._breakers.get(worker_id)
        if breaker is not None:
            breaker.given_up()

    def put_out(self, worker_id: str) -> None:
        """Send nothing there until it is let in: probes found nobody."""
        self._put_out.add(worker_id)

    def let_in(self, worker_id: str) -> None:
        """Take that back; what its breaker says still holds."""
        self._put_out.discard(worker_id)

    def out(self) -> list[str]:
        """Name the workers that get no requests now."""
        now = self._now()
        tripped = {name for name, breaker in self._breakers.items() if not breaker.may_ask(now)}
        return sorted(tripped | self._put_out)
