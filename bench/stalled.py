"""``python -m bench.stalled``: what callers that read nothing cost those beside them, in a tunnel.

Many requests over one link are begun and never read. Before, with them, and again: the p99 of
streams over the same link; and what each stalled caller costs the gateway in memory.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from socket import SO_RCVBUF, SOL_SOCKET, create_connection, socket
from urllib.parse import urlsplit

from bench import gateways, machine
from bench.probes import PROBES, Target, measure

LIMIT = 1.10
TOKENS = 100_000
"""Words that nobody reads: far more than all buffers on the way hold."""


def main() -> int:
    """Measure; fail if neighbours wait more than a tenth longer."""
    parser = argparse.ArgumentParser(prog="python -m bench.stalled")
    parser.add_argument("--stalled", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    machine.build()
    logs = machine.BUILD / "logs"
    logs.mkdir(exist_ok=True)
    alone, beside, grown = [], [], []
    with gateways.upstream(logs), gateways.known()["tunnel"].up(logs) as target:
        for _ in range(asked.rounds):
            alone.append(_p99(target))
            before_mib = machine.rss_mib(target.pid or 0)
            with _stalled(target, asked.stalled):
                beside.append(_p99(target))
                grown.append(machine.rss_mib(target.pid or 0) - before_mib)
    ratio = statistics.median(beside) / statistics.median(alone)
    each_kib = max(grown) * 1024 / asked.stalled
    print(f"p99 of neighbours: {ratio:.2f} × with {asked.stalled} stalled (limit {LIMIT:g} ×)")
    print(f"{alone} µs alone, {beside} µs beside them; {each_kib:.0f} KiB for each of them")
    return 0 if ratio <= LIMIT else 1


def _p99(target: Target) -> float:
    row = measure(target, PROBES["s_few"])
    return float(row["p99_us"])


@contextmanager
def _stalled(target: Target, count: int) -> Iterator[None]:
    held = [_ask(target) for _ in range(count)]
    time.sleep(1.0)  # Until all that fits on the way is on it.
    try:
        yield
    finally:
        for connection in held:
            connection.close()


def _ask(target: Target) -> socket:
    parts = urlsplit(target.url)
    body = (
        b'{"model":"mock","stream":true,"max_tokens":%d,"seed":0,'
        b'"messages":[{"role":"user","content":"hi"}]}' % TOKENS
    )
    lines = "".join(f"{header}\r\n" for header in target.headers)
    head = f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n{lines}"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    connection = create_connection((parts.hostname or "", parts.port or 80))
    connection.setsockopt(SOL_SOCKET, SO_RCVBUF, 4096)
    connection.sendall(head.encode() + body)
    return connection


if __name__ == "__main__":
    raise SystemExit(main())
