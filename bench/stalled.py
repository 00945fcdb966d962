"""``python -m bench.stalled``: what callers that read nothing cost those beside them, in a tunnel.

Many requests are begun and never read. On one link: the p99 of streams over the same link, alone
and beside them. On ten: what the gateway grew by for two thousand of them, against the windows
that it had granted for their answers.
"""

from __future__ import annotations

import argparse
import http.client
import re
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import SO_RCVBUF, SOL_SOCKET, socket
from urllib.parse import urlsplit

from bench import gateways, machine
from bench.probes import PROBES, Target, measure

LIMIT = 1.10
TOKENS = 100_000
"""Words that nobody reads: far more than all buffers on the way hold."""
PER_LINK = 200
"""Of the 256 streams that a link may have, so that none is refused."""
SPARE_FILES = 1000
KIB = 1024
WINDOWS = re.compile(rb"^xerotier_agent_windows_bytes ([0-9.e+]+)$", re.MULTILINE)


def main() -> int:
    """Measure; fail if neighbours wait more than a tenth longer, or memory outgrows the windows."""
    parser = argparse.ArgumentParser(prog="python -m bench.stalled")
    parser.add_argument("--stalled", type=int, default=100, help="beside streams, on one link")
    parser.add_argument("--many", type=int, default=2000, help="of whom memory is measured")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    machine.build()
    machine.raise_files(2 * asked.many + SPARE_FILES)
    logs = machine.BUILD / "logs"
    logs.mkdir(exist_ok=True)
    with gateways.upstream(logs):
        is_fair = _neighbours(logs, asked.stalled, asked.rounds)
        is_bounded = _memory(logs, asked.many)
    return 0 if is_fair and is_bounded else 1


def _neighbours(logs: Path, count: int, rounds: int) -> bool:
    alone, beside = [], []
    with gateways.tunnel(logs) as target:
        for _ in range(rounds):
            alone.append(_p99(target))
            with _stalled(target, count):
                beside.append(_p99(target))
    ratio = statistics.median(beside) / statistics.median(alone)
    print(f"p99 of neighbours: {ratio:.2f} × with {count} stalled (limit {LIMIT:g} ×)")
    print(f"{alone} µs alone, {beside} µs beside them", flush=True)
    return ratio <= LIMIT


def _memory(logs: Path, count: int) -> bool:
    with gateways.tunnel(logs, agents=-(-count // PER_LINK)) as target:
        measure(target, PROBES["s_few"])  # What a process takes once it has worked at all.
        before_kib = machine.rss_mib(target.pid or 0) * KIB
        with _stalled(target, count):
            windows_kib = _windows_bytes(target) / KIB
            grown_kib = machine.rss_mib(target.pid or 0) * KIB - before_kib
    print(
        f"{count} stalled: {before_kib / KIB:.1f} MiB before, {grown_kib / KIB:.1f} more with them"
    )
    print(
        f"{grown_kib / count:.0f} KiB each (limit {windows_kib / count:.0f}: what was granted each)"
    )
    return grown_kib <= windows_kib


def _windows_bytes(target: Target) -> float:
    parts = urlsplit(target.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    try:
        connection.request("GET", "/metrics")
        said = WINDOWS.search(connection.getresponse().read())
    finally:
        connection.close()
    if said is None:
        raise RuntimeError("The gateway does not say what it has granted.")
    return float(said[1])


def _p99(target: Target) -> float:
    row = measure(target, PROBES["s_few"])
    return float(row["p99_us"])


@contextmanager
def _stalled(target: Target, count: int) -> Iterator[None]:
    held = [_ask(target) for _ in range(count)]
    time.sleep(1.0 + count / 400)  # Until all that fits on the way is on it.
    try:
        for connection in held:
            if not connection.recv(12).startswith(b"HTTP/1.1 200"):
                raise RuntimeError("A caller that was to be stalled was refused.")
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
    connection = socket()
    connection.setsockopt(SOL_SOCKET, SO_RCVBUF, 4096)
    connection.settimeout(60)
    connection.connect((parts.hostname or "", parts.port or 80))
    connection.sendall(head.encode() + body)
    return connection


if __name__ == "__main__":
    raise SystemExit(main())
