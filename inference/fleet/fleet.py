"""The workers of all addresses, as something that can be asked.

Each worker is reached by the transport that carries its address; what it has in flight, and
how often it failed, is counted here, whatever the way. So the choice of a worker and the
health checks neither know nor care how workers are reached.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from inference.contracts.entries import Worker
from inference.fleet.load import Load, WorkerStats, stats_of
from inference.fleet.ports import Answer, Call, Connections, Transport
from inference.fleet.refused_call import RefusedCall
from inference.http.lines import Lines

WORKERS_MAX = 4096
"""Workers that are known with their counts; beyond it those without work are forgotten."""


@dataclass(frozen=True)
class FleetStats:
    """What all transports hold now, and have done. For metrics."""

    open_connections: int
    idle_connections: int
    connects: int
    workers: dict[str, WorkerStats]


class _Way:
    """A worker as it is described now, what carries its requests, and how many it has."""

    __slots__ = ("load", "transport", "worker")

    def __init__(self, worker: Worker, transport: Transport) -> None:
        self.worker = worker
        self.transport = transport
        self.load = Load()


class _Nowhere(Transport):
    """Carries what nobody carries: it says so."""

    def carries(self, worker: Worker) -> bool:
        """Take what is left."""
        return True

    def ask(
        self,
        worker: Worker,
        path: str,
        lines: Lines,
        body: bytes | None,
        answer: Answer,
        load: Load,
    ) -> Call:
        """Fail; it is nobody's request."""
        return self.probe(worker, answer)

    def probe(self, worker: Worker, answer: Answer) -> Call:
        """Fail."""
        url = worker.url or worker.tenant_url or "a worker without an address"
        address = f"agent {worker.agent}" if worker.agent else url
        return RefusedCall(answer, f"this gateway has no way to reach {address}")

    def connections(self) -> Connections:
        """Return none."""
        return Connections(0, 0, 0)

    def close(self) -> None:
        """Nothing is open."""


class Fleet:
    """The workers. One for each event loop, over transports that were made for it."""

    __slots__ = ("_nowhere", "_transports", "_ways")

    def __init__(self, transports: Sequence[Transport]) -> None:
        self._transports = list(transports)
        self._nowhere = _Nowhere()
        self._ways: dict[str, _Way] = {}

    def ask(
        self, worker: Worker, path: str, lines: Lines, body: bytes | None, answer: Answer
    ) -> Call:
        """Send ``POST {base of the worker}{path}``; ``body=None``: it follows by ``write``.

        ``lines`` are the asker's own (``http.lines.extra_lines``).

        Never raises for what the network does: that arrives as ``answer.on_fail``, and
        never before this call has returned.
        """
        way = self._ways.get(worker.worker_id)
        if way is None or way.worker is not worker:
            way = self._find(worker)
        return way.transport.ask(worker, path, lines, body, answer, way.load)

    def probe(self, worker: Worker, answer: Answer) -> Call:
        """Ask a worker for its models, which counts as nobody's request. Else as ``ask``."""
        return self._carrier(worker).probe(worker, answer)

    def in_flight(self, worker_id: str) -> int:
        """Return how many requests this process has with a worker now."""
        way = self._ways.get(worker_id)
        return way.load.in_flight if way is not None else 0

    def is_open(self, worker: Worker) -> bool:
        """Say whether it would take a request now, as far as that is known without asking."""
        return self._transport_of(worker).is_open(worker)

    def load_of(self, worker: Worker) -> int:
        """Return how busy a worker is believed to be: ours, or what it says, if that is more.

        Others ask it, too, and an engine may work on for callers that have left.
        """
        way = self._ways.get(worker.worker_id)
        ours = way.load.in_flight if way is not None else 0
        return max(ours, self._transport_of(worker).running(worker))

    def is_full(self, worker: Worker) -> bool:
        """Say whether another should be asked first, as far as its machine has said."""
        return self._transport_of(worker).is_full(worker)

    def detour(self, worker: Worker) -> str:
        """Say whether a worker would be asked by way of another gateway (``ports.Transport``)."""
        return self._transport_of(worker).detour(worker)

    def stats(self) -> FleetStats:
        """Count connections and requests, whatever carries them."""
        held = [transport.connections() for transport in self._transports]
        return FleetStats(
            open_connections=sum(connections.open_count for connections in held),
            idle_connections=sum(connections.idle_count for connections in held),
            connects=sum(connections.made for connections in held),
            workers={name: stats_of(way.load) for name, way in self._ways.items()},
        )

    def close(self) -> None:
        """Close every connection of every transport. What was in flight fails."""
        for transport in self._transports:
            transport.close()

    def _find(self, worker: Worker) -> _Way:
        way = self._ways.get(worker.worker_id)
        if way is None:
            if len(self._ways) >= WORKERS_MAX:
                self._ways = {name: way for name, way in self._ways.items() if way.load.in_flight}
            way = self._ways[worker.worker_id] = _Way(worker, self._carrier(worker))
        else:
            # Its counts stay. What runs the way it was reached before ends there.
            way.worker, way.transport = worker, self._carrier(worker)
        return way

    def _transport_of(self, worker: Worker) -> Transport:
        way = self._ways.get(worker.worker_id)
        return way.transport if way is not None and way.worker is worker else self._carrier(worker)

    def _carrier(self, worker: Worker) -> Transport:
        for transport in self._transports:
            if transport.carries(worker):
                return transport
        return self._nowhere
