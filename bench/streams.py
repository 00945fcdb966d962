"""``python -m bench.streams``: thousands of slow streams through one gateway process.

Each gets a chunk a second. Printed and judged: that all were served whole, each with every one
of its chunks, and how much memory each costs the gateway.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bench import machine, ours
from bench.gateways import MOCK_PORTS, wait_until_ready
from bench.probes import GATEWAY_CPU, OTHER_CPU, Target

PORTS = tuple(range(MOCK_PORTS[0] + 10, MOCK_PORTS[0] + 18))
"""Enough workers that no pool of 1,024 connections is full."""

CHUNKS, EVERY_MS = 24, 1000
STAGGER_S = 6.0
SAMPLE_S = 18.0
LIMIT_KIB = 40
SPARE_FILES = 1000


def main() -> int:
    """Run once; fail on a stream that was not whole, or on too much memory."""
    parser = argparse.ArgumentParser(prog="python -m bench.streams")
    parser.add_argument("--streams", type=int, default=5000)
    parser.add_argument("--edge", choices=ours.PORTS, default="fast")
    asked = parser.parse_args()
    machine.build()
    machine.raise_files(2 * asked.streams + SPARE_FILES)
    logs = machine.BUILD / "logs"
    logs.mkdir(exist_ok=True)
    seen, before_mib, during_mib = _run(asked.edge, asked.streams, logs)
    each_kib = (during_mib - before_mib) * 1024 / asked.streams
    faults = seen["bad"] + seen["err"] + seen["incomplete"]
    whole = seen["ok"]
    print(f"{asked.edge}: {whole} of {asked.streams} streams whole, with all {CHUNKS} chunks")
    print(f"{faults} faults {seen['first_bad'][:200]}")
    print(f"{seen['chunks']} chunks, {before_mib:.1f} MiB before and {during_mib:.1f} with them")
    print(f"{each_kib:.1f} KiB each (limit {LIMIT_KIB})")
    return 0 if whole == asked.streams and not faults and each_kib <= LIMIT_KIB else 1


def _run(edge: str, streams: int, logs: Path) -> tuple[dict[str, Any], float, float]:
    command = [str(machine.BUILD / "mock"), *map(str, PORTS)]
    with (logs / "streams.log").open("wb") as log, ours.stores(logs, PORTS) as stores:
        mock = machine.start(command, cpu=OTHER_CPU, log=log)
        gateway = machine.start(
            ours.command(edge), cpu=GATEWAY_CPU, log=log, env=ours.environment(stores, edge)
        )
        try:
            target = Target(edge, ours.url(stores, edge), (stores.bearer,), gateway.pid)
            wait_until_ready(target, gateway)
            before_mib = machine.rss_mib(gateway.pid)
            load = _start_load(target, streams)
            time.sleep(SAMPLE_S)
            during_mib = machine.rss_mib(gateway.pid)
            said, _ = load.communicate(timeout=60)
            return json.loads(said), before_mib, during_mib
        finally:
            machine.stop(gateway)
            machine.stop(mock)


def _start_load(target: Target, streams: int) -> subprocess.Popen[str]:
    """Start each stream once: the load ends before any of them could begin anew."""
    body = machine.BUILD / "slow.json"
    request = {"model": "mock", "messages": [{"role": "user", "content": "hi"}], "stream": True}
    more = {"max_tokens": CHUNKS, "seed": EVERY_MS, "stream_options": {"include_usage": True}}
    body.write_text(json.dumps({**request, **more}))
    last_s = STAGGER_S + CHUNKS * EVERY_MS / 1000 + 8
    command = [str(machine.BUILD / "load"), "-u", target.url, "-b", str(body), "-s"]
    command += ["-k", str(CHUNKS)]
    command += ["-c", str(streams), "-w", "0", "-d", str(last_s), "-g", str(STAGGER_S * 1000)]
    for header in target.headers:
        command += ["-H", header]
    return subprocess.Popen(
        machine.pinned(OTHER_CPU, command),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )


if __name__ == "__main__":
    sys.exit(main())
