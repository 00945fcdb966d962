"""Counts of what this process did, cheap to raise; turned into Prometheus' text when scraped.

``prometheus_client`` costs microseconds a count once several processes share a directory of
its files. Here a count is a dictionary entry. Each process writes a small snapshot once a
second; whoever is scraped adds up the snapshots (docs/adr/0004).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from typing import Any

from inference.outcome import Outcome

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
ENDPOINTS_MAX = 10_000
"""Label sets are kept for ever by whoever scrapes: beyond this many, endpoints share one."""

Json = dict[str, Any]


class Histogram:
    """Counts of durations in buckets, by one label."""

    __slots__ = ("counts", "sums")

    def __init__(self) -> None:
        self.counts: dict[str, list[int]] = {}
        self.sums: defaultdict[str, float] = defaultdict(float)

    def add(self, label: str, seconds: float) -> None:
        """Count one duration."""
        counts = self.counts.get(label)
        if counts is None:
            counts = self.counts[label] = [0] * (len(BUCKETS_S) + 1)
        counts[bisect_left(BUCKETS_S, seconds)] += 1
        self.sums[label] += seconds


class Metrics:
    """Counts of one process."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.endpoints: Counter[str] = Counter()
        self.tokens: Counter[str] = Counter()
        self.latency = Histogram()
        self.ttft = Histogram()

    def ended(self, outcome: Outcome, now: float) -> None:
        """Count a request that ended."""
        operation = outcome.operation if outcome.route is not None else ""
        status = f"{operation}\t{outcome.status}\t{outcome.ending}\t{outcome.code}"
        self.requests[status] += 1
        if outcome.route is None:
            return
        self.endpoints[self._endpoint(outcome.route.endpoint_id)] += 1
        self.latency.add(operation, now - outcome.began_at)
        if outcome.first_at is not None:
            self.ttft.add(operation, outcome.first_at - outcome.began_at)
            source, usage = outcome.tokens()
            self.tokens[f"in\t{source}"] += usage.tokens_in
            self.tokens[f"out\t{source}"] += usage.tokens_out
            self.tokens[f"cached\t{source}"] += usage.tokens_cached

    def _endpoint(self, endpoint_id: str) -> str:
        known = self.endpoints
        full = endpoint_id not in known and len(known) >= ENDPOINTS_MAX
        return "other" if full else endpoint_id

    def snapshot(self, gauges: dict[str, float]) -> Json:
        """Return all counts as plain values, with what is measured only now."""
        return {
            "requests": dict(self.requests),
            "endpoints": dict(self.endpoints),
            "tokens": dict(self.tokens),
            "latency": {"counts": self.latency.counts, "sums": dict(self.latency.sums)},
            "ttft": {"counts": self.ttft.counts, "sums": dict(self.ttft.sums)},
            "gauges": gauges,
        }


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
