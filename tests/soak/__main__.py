"""``make soak``: real gateways under a modest load of callers of whom a third leaves at random.

Half of the workers are asked by URL, half over the links of machines.
Ends with figures and a verdict. Nothing may go wrong, nothing may be left over, and memory may
not grow by more than 5 % after the first minute. ``--minutes`` says how long.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import redis

from tests.plane.enrolled import Fleet
from tests.plane.world import TERMS, World
from tests.soak.agent import Machine
from tests.soak.callers import Caller, Tally
from tests.soak.gateways import Gateway
from tests.soak.ledger import Ledger
from tests.soak.worker import Worker
from xerotier_site.embedded import databases
from xerotier_site.embedded.process import lesser_account

CALLERS = 24
"""For each gateway: some 60 requests a second and a stream each, whatever the machine."""

WORKERS = 2
LEFT_OVER = (
    *("open_requests", "admitted_running", "waits", "journal_pending"),
    *("agent_streams", "agent_windows_bytes"),
)
"""What a gateway must have none of once nobody asks any more."""
WARM_S = 60.0
GROWTH = 0.05
WINDOW = 10
QUIET_S = 10.0
EDGES = {"fast": 28401, "asgi": 28402}
MANY = 10**9
NEVER_USED_UP = 10**15
"""Tokens and money: a hold of some 10,000 for each request, however many a quick machine plays."""
TERMS_ON = replace(
    TERMS,
    requests_per_min=MANY,
    tokens_per_min=MANY,
    concurrent=MANY,
    monthly_tokens=NEVER_USED_UP,
    price_per_million=1_000_000,
    request_timeout_s=60.0,
    idle_timeout_s=60.0,
)


@dataclass
class Soak:
    """Everything that takes part."""

    gateways: list[Gateway]
    workers: list[Worker]
    machines: list[Machine]
    ledger: Ledger
    tally: Tally = field(default_factory=Tally)
    misses: list[str] = field(default_factory=list)

    def check(self, what: str, *, holds: bool) -> None:
        """Print one line of the verdict, and remember a miss."""
        say(f"  {'ok  ' if holds else 'MISS'} {what}")
        if not holds:
            self.misses.append(what)


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def run(minutes: float, valkey_url: str, folder: Path) -> list[str]:
    """Soak, and return what was missed."""
    valkey = redis.Redis.from_url(valkey_url, decode_responses=True)
    workers = [Worker() for _ in range(WORKERS)]
    world = World(valkey)
    world.open_shards()
    world.grant()
    world.route(terms=TERMS_ON)
    world.top_up(NEVER_USED_UP)
    urls = [await worker.start() for worker in workers]
    fleet = Fleet(world)
    gateways = [Gateway(edge, port, folder) for edge, port in EDGES.items()]
    machines = [
        Machine(fleet.enrol(f"agt_{number}"), worker, [*EDGES.values()])
        for number, worker in enumerate(workers)
    ]
    world.serve(*urls, agents=[machine.name for machine in machines])
    soak = Soak(gateways, workers, machines, Ledger(valkey))
    for gateway in gateways:
        await gateway.start(valkey_url)
    for machine in machines:
        await machine.start()
    before = [await gateway.gauges() for gateway in gateways]
    await _load(soak, minutes * 60)
    await _settle(soak)
    soak.ledger.take()
    for gateway, known in zip(gateways, before, strict=True):
        await _judge_gateway(soak, gateway, known, minutes * 60)
    for machine in machines:
        _judge_machine(soak, machine)
        await machine.stop()
    for gateway in gateways:
        ending = await gateway.stop()
        soak.check(f"{gateway.edge}: ended with {ending}", holds=ending == 0)
    _judge_ledger(soak)
    return soak.misses


async def _load(soak: Soak, seconds: float) -> None:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for gateway in soak.gateways:
            for number in range(CALLERS):
                name = f"{gateway.edge}-{number}"
                caller = Caller(name, gateway.port, soak.tally, seed=number)
                group.create_task(caller.run(stop))
        end = time.monotonic() + seconds
        while (left_s := end - time.monotonic()) > 0:
            await asyncio.sleep(min(1.0, left_s))
            soak.ledger.take()
            for gateway in soak.gateways:
                gateway.sample()
            if len(soak.gateways[0].rss_kib) % 60 == 0:
                _report_progress(soak)
        stop.set()


def _report_progress(soak: Soak) -> None:
    memory = ", ".join(f"{g.edge} {g.rss_kib[-1] / 1024:.1f} MiB" for g in soak.gateways)
    tally = soak.tally
    say(f"{len(soak.gateways[0].rss_kib):5} s  {len(tally.asked)} asked, {memory}")


async def _settle(soak: Soak) -> None:
    """Wait until nothing runs any more; whatever is left after that is a leak."""
    end = time.monotonic() + QUIET_S
    while time.monotonic() < end:
        soak.ledger.take()
        running = [
            (await gateway.gauges())["open_requests"] + gateway.sockets(set())[0] - WORKERS
            for gateway in soak.gateways  # Each machine has a link to it.
        ]
        if not any(running) and soak.ledger.held() == (0, 0):
            return
        await asyncio.sleep(0.1)


async def _judge_gateway(
    soak: Soak, gateway: Gateway, before: dict[str, float], seconds: float
) -> None:
    edge, now = gateway.edge, await gateway.gauges()
    callers, upstream = gateway.sockets({worker.port for worker in soak.workers})
    known, idle, links = now["upstream_connections"], now["upstream_idle"], now["agent_links"]
    text = f"{edge}: {callers} connections left, {links:.0f} of them links"
    soak.check(text, holds=callers == links == len(soak.machines))
    soak.check(
        f"{edge}: {upstream} connections to workers, {known:.0f} known with links, "
        f"{idle:.0f} of them idle",
        holds=upstream + links == known == idle,
    )
    for name in LEFT_OVER:
        soak.check(f"{edge}: {name} is {now[name]:.0f}", holds=now[name] == 0)
    tasks = f"{now['tasks']:.0f} tasks, {before['tasks']:.0f} before the load"
    soak.check(f"{edge}: {tasks}", holds=now["tasks"] <= before["tasks"])
    _judge_memory(soak, gateway, seconds)
    complaints = gateway.complaints()
    text = f"{edge}: {len(complaints)} complaints in the log {complaints[:3]}"
    soak.check(text, holds=not complaints)


def _judge_machine(soak: Soak, machine: Machine) -> None:
    for what, count in machine.left_over().items():
        soak.check(f"{machine.name}: {count} {what}", holds=count == 0)
    ended = machine.answered()
    soak.check(f"{machine.name}: requests ended {ended}", holds=ended.get("done", 0) > 0)


def _judge_memory(soak: Soak, gateway: Gateway, seconds: float) -> None:
    samples = gateway.rss_kib
    warm = int(min(WARM_S, seconds / 2))
    first = statistics.median(samples[max(0, warm - WINDOW // 2) : warm + WINDOW // 2])
    last = statistics.median(samples[-WINDOW:])
    growth = last / first - 1
    text = f"{first / 1024:.1f} MiB after {warm} s, {last / 1024:.1f} at the end: {growth:+.1%}"
    soak.check(f"{gateway.edge}: {text}", holds=growth < GROWTH)


def _judge_ledger(soak: Soak) -> None:
    tally, ledger = soak.tally, soak.ledger
    leases, held = ledger.held()
    soak.check(f"{leases} leases left, {held} still held", holds=(leases, held) == (0, 0))
    faults = tally.faults + ledger.faults(tally)
    soak.check(f"{len(faults)} unexplained errors {faults[:5]}", holds=not faults)
    left = sum(worker.left for worker in soak.workers)
    say(f"  asked {len(tally.asked)} {dict(tally.kinds)}, left {dict(tally.departures)}")
    say(f"  booked {dict(ledger.endings)}; workers were left in the middle {left} times")


@contextmanager
def own_valkey() -> Iterator[str]:
    """Run a Valkey of our own."""
    account = lesser_account()
    folder = databases.socket_folder(account)
    with (folder / "valkey.log").open("wb") as output:
        premises = databases.Premises(folder / "data", folder, account, output=output.fileno())
        server = databases.start_valkey(premises, "soak")
        try:
            yield server.url
        finally:
            server.stop()
            databases.remove(folder)


def main() -> int:
    """Soak for as long as asked; fail on any miss."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    minutes = parser.parse_args().minutes
    say(f"{CALLERS} callers on each of {len(EDGES)} gateways for {minutes:g} minutes")
    with own_valkey() as url, tempfile.TemporaryDirectory(prefix="xt-soak-") as folder:
        misses = asyncio.run(run(minutes, url, Path(folder)))
    say(f"{len(misses)} misses" if misses else "nothing amiss")
    return 1 if misses else 0


if __name__ == "__main__":
    sys.exit(main())
