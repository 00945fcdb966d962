"""Prometheus' text out of the counts of every process of this machine."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from inference.telemetry.metrics import BUCKETS_S, Json, merge

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_COUNTERS = (
    ("requests", "Inference requests that ended.", ("operation", "status", "ending", "code")),
    ("endpoints", "Inference requests by endpoint.", ("endpoint",)),
    ("turned_away", "Requests that were refused while they were read.", ("status",)),
    (
        "worker_errors",
        "Errors that workers answered, by status, and answers that were late for their asker.",
        ("worker", "project", "kind"),
    ),
    ("agent_links_closed", "Links of agents that ended, by close code.", ("code",)),
    ("agent_resets", "Requests that agents gave up, by code of the tunnel.", ("code",)),
    ("agent_frames_dropped", "Frames of agents for requests that were over.", ("kind",)),
    ("agent_bytes", "Bytes that went over the links of agents.", ("direction",)),
    ("hops", "Requests by way of other gateways: asked of them, served for them.", ("way",)),
    ("hops_refused", "Connections that were no gateway's, or late, by what was wrong.", ("why",)),
    ("tokens", "Tokens, by direction and by who counted them.", ("direction", "source")),
)
_HISTOGRAMS = (
    ("latency", "Seconds from a request's head to its end."),
    ("ttft", "Seconds from a request's head to the first byte of its stream."),
)


class Snapshots:
    """A directory with one file for each process. Counts of the dead stay; their gauges go."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._mine = directory / f"{os.getpid()}.json"

    def write(self, snapshot: Json) -> None:
        """Replace this process' snapshot. Raises ``OSError``."""
        fresh = self._mine.with_suffix(".new")
        fresh.write_text(json.dumps(snapshot), encoding="utf-8")
        fresh.replace(self._mine)

    def others(self) -> list[Json]:
        """Read what every other process wrote; a file being replaced is read the next time."""
        found = []
        for file in sorted(self._directory.glob("*.json")):
            if file == self._mine:
                continue
            try:
                snapshot: Json = json.loads(file.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue
            if not _is_alive(int(file.stem)):
                snapshot.pop("gauges", None)
            found.append(snapshot)
        return found

    def begin(self) -> None:
        """Make the folder, and forget an earlier run: one of which no process lives any more.

        Where others live this is a restart among them, and the counts of the dead still belong
        to the sum. Raises ``OSError``.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        files = [file for file in self._directory.glob("*.json") if file != self._mine]
        if not any(_is_alive(int(file.stem)) for file in files if file.stem.isdecimal()):
            for file in files:
                file.unlink(missing_ok=True)


def render(snapshots: list[Json]) -> bytes:
    """Write the sum of snapshots as Prometheus' text."""
    registry = CollectorRegistry()
    registry.register(_Counts(merge(snapshots)))
    return generate_latest(registry)


class _Counts(Collector):
    def __init__(self, total: Json) -> None:
        self._total = total

    def collect(self) -> Iterator[Metric]:
        for name, sentence, labels in _COUNTERS:
            counter = CounterMetricFamily(f"xerotier_{name}", sentence, labels=labels)
            for label, value in self._total.get(name, {}).items():
                counter.add_metric(label.split("\t"), value)
            yield counter
        for name, sentence in _HISTOGRAMS:
            yield self._histogram(name, sentence)
        for name, value in self._total.get("gauges", {}).items():
            yield GaugeMetricFamily(f"xerotier_{name}", f"Now: {name}.", value=value)

    def _histogram(self, name: str, sentence: str) -> Metric:
        family = HistogramMetricFamily(f"xerotier_{name}_seconds", sentence, labels=["operation"])
        seen = self._total.get(name, {"counts": {}, "sums": {}})
        for label, counts in seen["counts"].items():
            below, buckets = 0, []
            for bound, count in zip([*map(str, BUCKETS_S), "+Inf"], counts, strict=True):
                below += count
                buckets.append((bound, float(below)))
            family.add_metric([label], buckets, seen["sums"].get(label, 0.0))
        return family


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
