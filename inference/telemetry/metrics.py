"""Counts of what this process did, cheap to raise; turned into Prometheus' text when scraped.

``prometheus_client`` costs microseconds a count once several processes share a directory of
its files. Here a count is a field of an object. Each process writes a small snapshot once a
second; whoever is scraped adds up the snapshots (docs/adr/0004).
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

from inference.telemetry.outcome import Outcome

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
ENDPOINTS_MAX = 10_000
"""Label sets are kept for ever by whoever scrapes: beyond this many, endpoints share one."""

Json = dict[str, Any]
Labels = tuple[str, int, str, str, str]


class _Cell:
    """Counts of requests that are alike in all that anyone may ask for. Plain fields are cheap."""

    __slots__ = (
        "latencies",
        "latency_s",
        "requests",
        "tokens_cached",
        "tokens_in",
        "tokens_out",
        "ttft_s",
        "ttfts",
    )

    def __init__(self) -> None:
        self.requests = 0
        self.latencies = [0] * (len(BUCKETS_S) + 1)
        self.latency_s = 0.0
        self.ttfts = [0] * (len(BUCKETS_S) + 1)
        self.ttft_s = 0.0
        self.tokens_in = self.tokens_out = self.tokens_cached = 0

    def add(self, outcome: Outcome) -> None:
        """Count a request."""
        self.requests += 1
        if outcome.route is None:
            return
        latency_s = outcome.ended_at - outcome.began_at
        self.latencies[bisect_left(BUCKETS_S, latency_s)] += 1
        self.latency_s += latency_s
        if outcome.first_at is not None:
            tokens = outcome.tokens
            if outcome.streamed:  # Of any other answer it is the time of the whole.
                ttft_s = outcome.first_at - outcome.began_at
                self.ttfts[bisect_left(BUCKETS_S, ttft_s)] += 1
                self.ttft_s += ttft_s
            self.tokens_in += tokens.tokens_in
            self.tokens_out += tokens.tokens_out
            self.tokens_cached += tokens.tokens_cached or 0


class Metrics:
    """Counts of one process."""

    def __init__(self) -> None:
        self._cells: dict[Labels, _Cell] = {}
        self._endpoints: dict[str, int] = {}

    def ended(self, outcome: Outcome) -> None:
        """Count a request that ended."""
        route = outcome.route
        # What a stranger's path asks for is no operation of ours: it would make labels for ever.
        operation = "" if route is None else outcome.operation
        labels = (operation, outcome.status, outcome.ending, outcome.code, outcome.source)
        cell = self._cells.get(labels)
        if cell is None:
            cell = self._cells[labels] = _Cell()
        cell.add(outcome)
        if route is not None:
            self._count_endpoint(route.endpoint_id)

    def _count_endpoint(self, endpoint_id: str) -> None:
        known = self._endpoints
        if endpoint_id not in known and len(known) >= ENDPOINTS_MAX:
            endpoint_id = "other"
        known[endpoint_id] = known.get(endpoint_id, 0) + 1

    def snapshot(self, gauges: dict[str, float]) -> Json:
        """Return all counts as plain values, with what is measured only now."""
        total: Json = {
            "requests": {},
            "endpoints": dict(self._endpoints),
            "tokens": {},
            "latency": {"counts": {}, "sums": {}},
            "ttft": {"counts": {}, "sums": {}},
            "gauges": gauges,
        }
        for labels, cell in self._cells.items():
            _add(total, _values(labels, cell))
        return total


def _values(labels: Labels, cell: _Cell) -> Json:
    operation, status, ending, code, source = labels
    values: Json = {"requests": {"\t".join((operation, str(status), ending, code)): cell.requests}}
    if any(cell.latencies):
        values["latency"] = _histogram(operation, cell.latencies, cell.latency_s)
    if any(cell.ttfts):
        values["ttft"] = _histogram(operation, cell.ttfts, cell.ttft_s)
    if cell.tokens_in or cell.tokens_out or cell.tokens_cached:
        values["tokens"] = {
            f"in\t{source}": cell.tokens_in,
            f"out\t{source}": cell.tokens_out,
            f"cached\t{source}": cell.tokens_cached,
        }
    return values


def _histogram(label: str, counts: list[int], seconds: float) -> Json:
    return {"counts": {label: list(counts)}, "sums": {label: seconds}}


def merge(snapshots: list[Json]) -> Json:
    """Add up the snapshots of several processes."""
    total: Json = {}
    for snapshot in snapshots:
        _add(total, snapshot)
    return total


def _add(total: Json, more: Json) -> None:
    for name, value in more.items():
        if isinstance(value, dict):
            _add(total.setdefault(name, {}), value)
        elif isinstance(value, list):
            known = total.setdefault(name, [0] * len(value))
            total[name] = [one + other for one, other in zip(known, value, strict=True)]
        else:
            total[name] = total.get(name, 0) + value
