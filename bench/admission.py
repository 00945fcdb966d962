"""What limits and money cost a gateway: CPU of its process for one admit and one settle.

``python -m bench.admission unix:///path/to/valkey.sock`` keeps 64 requests in flight, as a busy
gateway does, journal included; Valkey's own time is reported beside. Use a database of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import uvloop

from xerotier_site import compiled

if __name__ == "__main__":
    compiled.use()  # As the server does.

from inference.admission.journal import Journal
from inference.admission.library import TEXT
from inference.admission.limiter import ValkeyLimiter
from inference.admission.ports import Ask, Verdict
from inference.contracts.entries import Grant, Route, Terms
from inference.contracts.events import UsageEvent
from inference.contracts.names import SHARDS
from inference.http.ids import request_id
from inference.sources.link import Link
from inference.sources.url import ValkeyUrl

IN_FLIGHT = 64
PAIRS = 20_000
ROUNDS = 5
GRANT = Grant(1, "key_bench", "proj_bench", ("inference",))
TERMS = Terms("gpu", 1, 10**9, 10**9, 10**6, 30, 120, 10, price_per_million=500_000)
ROUTE = Route(1, "proj_bench", "chat", "ep_bench", "m", "generate", TERMS, ("shared",), 2048)


class Load:
    """Admits and settles, one after the other, ``IN_FLIGHT`` at a time."""

    def __init__(self, limiter: ValkeyLimiter, pairs: int) -> None:
        self._limiter = limiter
        self._left = pairs
        self._open = 0
        self.done = asyncio.Event()

    def begin(self) -> None:
        """Start as many as may be in flight."""
        for _ in range(IN_FLIGHT):
            self._next()

    def _next(self) -> None:
        if not self._left:
            if not self._open:
                self.done.set()
            return
        self._left -= 1
        self._open += 1
        name = request_id(time.time())
        ask = Ask(name, GRANT, ROUTE, 20, 100, 1, False, 0.0, "chat/completions")

        def on_verdict(verdict: Verdict) -> None:
            if not verdict.allowed:
                raise SystemExit(f"refused: {verdict.code} {verdict.message}")
            self._open -= 1
            self._limiter.settle(_event(name))
            self._next()

        self._limiter.admit(ask, on_verdict)


def _event(name: str) -> UsageEvent:
    return UsageEvent(
        name, "proj_bench", "chat", "ep_bench", "m", GRANT.key_id, "w1", "chat/completions", False,
        200, "complete", "measured", 20, 50, 0, 12.5, 40.25, "gpu", 1,
    )  # fmt: skip


async def _call(link: Link, *parts: str | int) -> Any:
    future = asyncio.get_running_loop().create_future()
    link.call(*parts, then=future.set_result)
    reply = await future
    if isinstance(reply, Exception):
        raise reply
    return reply


async def _server_cpu_s(link: Link) -> float:
    info = await _call(link, "INFO", "cpu")
    facts = dict(line.split(b":") for line in info.splitlines() if b":" in line)
    return float(facts[b"used_cpu_user_main_thread"]) + float(facts[b"used_cpu_sys_main_thread"])


async def measure(url: str, rounds: int, pairs: int) -> list[tuple[float, float]]:
    """Return CPU µs a pair, of this process and of Valkey, for each round."""
    loop = asyncio.get_running_loop()
    link = Link(ValkeyUrl.read(url), timeout_s=5.0)
    figures = []
    with tempfile.TemporaryDirectory() as home:
        journal = Journal(Path(home))
        journal.open()
        limiter = ValkeyLimiter(link, journal, loop.time, lambda _text: None)
        link.start()
        await link.ready(5.0)
        await _call(link, "FUNCTION", "LOAD", "REPLACE", TEXT)
        for shard in range(SHARDS):
            tag = f"{{s{shard}}}"
            await _call(link, "FCALL", "xt1_open", 1, tag, 0, "")
            await _call(link, "FCALL", "xt1_grant", 1, tag, "proj_bench", 10**12, 1)
        for _ in range(rounds):
            load = Load(limiter, pairs)
            began, server_began = time.process_time(), await _server_cpu_s(link)
            load.begin()
            await load.done.wait()
            spent, server = time.process_time() - began, await _server_cpu_s(link) - server_began
            figures.append((spent / pairs * 1e6, server / pairs * 1e6))
        await link.stop()
        await journal.close()
    return figures


def main() -> None:
    """Measure, and print a line a round and the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("valkey", help="URL of a Valkey to fill")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    given = parser.parse_args()
    figures = uvloop.run(measure(given.valkey, given.rounds, given.pairs))
    for ours, server in figures:
        print(f"gateway {ours:6.1f} µs   valkey {server:6.1f} µs   a pair")
    print("compiled" if compiled.is_used() else "interpreted: there is no build of these sources")
    ours, server = (statistics.median(column) for column in zip(*figures, strict=True))
    print(f"median: gateway {ours:.1f} µs, valkey {server:.1f} µs; target 35 µs")


if __name__ == "__main__":
    main()
