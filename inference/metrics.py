"""Counts of what this process did, cheap to raise; turned into Prometheus' text when scraped.

``prometheus_client`` costs microseconds a count once several processes share a directory of
its files. Here a count is a dictionary entry. Each process writes a small snapshot once a
second; whoever is scraped adds up the snapshots (docs/adr/0004).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from typing import Any

from inference.outcome import Outcome

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
ENDPOINTS_MAX = 10_000
"""Label sets are kept for ever by whoever scrapes: beyond this many, endpoints share one."""

Json = dict[str, Any]
Labels = tuple[str, ...]


class Histogram:
    """Counts of durations in buckets, by one label."""

    __slots__ = ("counts", "sums")

    def __init__(self) -> None:
        self.counts: defaultdict[str, list[int]] = defaultdict(_no_counts)
        self.sums: defaultdict[str, float] = defaultdict(float)

    def add(self, label: str, seconds: float) -> None:
        """Count one duration."""
        self.counts[label][bisect_left(BUCKETS_S, seconds)] += 1
        self.sums[label] += seconds


def _no_counts() -> list[int]:
    return [0] * (len(BUCKETS_S) + 1)


class Metrics:
    """Counts of one process."""

    def __init__(self) -> None:
        self.requests: defaultdict[Labels, int] = defaultdict(int)
        self.endpoints: defaultdict[str, int] = defaultdict(int)
        self.tokens: defaultdict[Labels, int] = defaultdict(int)
        self.latency = Histogram()
        self.ttft = Histogram()

    def ended(self, outcome: Outcome) -> None:
        """Count a request that ended."""
        route = outcome.route
        operation = "" if route is None else outcome.operation
        self.requests[operation, str(outcome.status), outcome.ending, outcome.code] += 1
        if route is None:
            return
        self.endpoints[self._endpoint(route.endpoint_id)] += 1
        self.latency.add(operation, outcome.ended_at - outcome.began_at)
        if outcome.first_at is not None:
            self.ttft.add(operation, outcome.first_at - outcome.began_at)
            source, tokens = outcome.source, outcome.tokens
            self.tokens["in", source] += tokens.tokens_in
            self.tokens["out", source] += tokens.tokens_out
            self.tokens["cached", source] += tokens.tokens_cached

    def _endpoint(self, endpoint_id: str) -> str:
        known = self.endpoints
        full = endpoint_id not in known and len(known) >= ENDPOINTS_MAX
        return "other" if full else endpoint_id

    def snapshot(self, gauges: dict[str, float]) -> Json:
        """Return all counts as plain values, with what is measured only now."""
        return {
            "requests": _joined(self.requests),
            "endpoints": dict(self.endpoints),
            "tokens": _joined(self.tokens),
            "latency": {"counts": dict(self.latency.counts), "sums": dict(self.latency.sums)},
            "ttft": {"counts": dict(self.ttft.counts), "sums": dict(self.ttft.sums)},
            "gauges": gauges,
        }


def _joined(counts: dict[Labels, int]) -> dict[str, int]:
    return {"\t".join(labels): count for labels, count in counts.items()}


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
