"""One measurement: drive a gateway with the load generator and read what it cost."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bench import machine

GATEWAY_CPU, OTHER_CPU = 0, 1


@dataclass(frozen=True, slots=True)
class Probe:
    """A kind of load. ``stagger_ms`` spreads the starts of streams over that time."""

    name: str
    body: str
    connections: int
    warm_s: float
    seconds: float
    is_streamed: bool = False
    stagger_ms: int = 0


PROBES = {
    probe.name: probe
    for probe in (
        Probe("ns1", "plain", 1, 0.4, 1.5),
        Probe("ns16", "plain", 16, 0.4, 2.0),
        Probe("ns64", "plain", 64, 0.4, 2.5),
        # 200 streams, a chunk each 10 ms, every chunk a read of its own: the price of a chunk.
        Probe("s_load", "stream_10ms", 200, 1.3, 2.5, is_streamed=True, stagger_ms=640),
        # 40 streams alike: as many chunks as an agent on the other processor can relay, too.
        Probe("s_few", "stream_10ms", 40, 1.3, 2.5, is_streamed=True, stagger_ms=640),
        # 32 streams as fast as they go: chunks coalesce.
        Probe("s_max", "stream_0ms", 32, 0.4, 1.6, is_streamed=True),
    )
}


@dataclass(frozen=True, slots=True)
class Target:
    """A gateway that runs: where to ask it, and whose processor time is its own."""

    name: str
    url: str
    headers: Sequence[str]
    pid: int | None
    deps: Sequence[int] = field(default=())


def measure(target: Target, probe: Probe) -> dict[str, Any]:
    """Run one probe and return its row; times are µs, memory MiB."""
    command = [str(machine.BUILD / "load"), "-u", target.url]
    command += ["-b", str(machine.HERE / "bodies" / f"{probe.body}.json")]
    command += ["-c", str(probe.connections), "-w", str(probe.warm_s), "-d", str(probe.seconds)]
    command += ["-g", str(probe.stagger_ms)] if probe.stagger_ms else []
    command += ["-s"] if probe.is_streamed else []
    for header in target.headers:
        command += ["-H", header]
    load = subprocess.Popen(
        machine.pinned(OTHER_CPU, command),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    cpu_s, deps_s, seen = _during(load, target)
    count = seen["chunks"] if probe.is_streamed else seen["ok"]
    return {
        "gateway": target.name,
        "test": probe.name,
        "rps": seen["rps"],
        "cpu_us": _per(cpu_s, count) if target.pid else None,
        "deps_cpu_us": _per(deps_s, count) if target.deps else None,
        "p50_us": seen["lat_p50"],
        "p99_us": seen["lat_p99"],
        "ttft_p50_us": seen.get("ttft_p50"),
        "chunk_delay_p50_us": seen.get("delay_p50"),
        "rss_mib": machine.rss_mib(target.pid) if target.pid else None,
        "faults": seen["bad"] + seen["err"] + seen["incomplete"],
        "first_fault": seen["first_bad"],
    }


def _during(load: subprocess.Popen[str], target: Target) -> tuple[float, float, dict[str, Any]]:
    """Wait for the measured part of a load; return what it cost and what the load saw."""
    assert load.stderr is not None  # noqa: S101 - opened as a pipe above
    assert load.stdout is not None  # noqa: S101
    for line in load.stderr:
        if line.startswith("MEASURE"):
            break
    cpu_before, deps_before = _spent(target)
    # The load prints its one line when it has stopped sending.
    first = load.stdout.read(1)
    cpu_after, deps_after = _spent(target)
    seen: dict[str, Any] = json.loads(first + load.stdout.read())
    load.wait()
    load.stdout.close()
    load.stderr.close()
    return cpu_after - cpu_before, deps_after - deps_before, seen


def _spent(target: Target) -> tuple[float, float]:
    own = machine.cpu_seconds(target.pid) if target.pid else 0.0
    return own, sum(machine.cpu_seconds(pid) for pid in target.deps)


def _per(seconds: float, count: int) -> float | None:
    return round(seconds / count * 1e6, 2) if count else None
