"""Put a plane together from its configuration, and take it apart in good order."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
import uuid
from pathlib import Path
from random import Random

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from inference.admission.service import Admission
from inference.contracts.addresses import Reach, networks
from inference.contracts.entries import Worker
from inference.exchange import exchange as core
from inference.exchange.config import PlaneConfig
from inference.exchange.plane import Plane
from inference.exchange.recheck import Recheck
from inference.exchange.slow_readings import SlowReadings
from inference.exchange.timers import Wheel
from inference.fleet.fleet import Fleet
from inference.fleet.health_checks import Prober
from inference.fleet.http.client import HttpTransport
from inference.fleet.http.config import HttpConfig
from inference.fleet.ports import Transport, WorkerFailed
from inference.gate.tables import Tables
from inference.gateway.agents import Agents
from inference.gateway.hops import Hops
from inference.routing.health import Breakers
from inference.routing.pick import Picker
from inference.routing.roster import Roster
from inference.routing.router import Router
from inference.sources.link import Link
from inference.sources.url import ValkeyUrl
from inference.sources.valkey import Changes, ValkeySource
from inference.telemetry.faults import IMPLAUSIBLE, Faults
from inference.telemetry.log import RequestLog
from inference.telemetry.metrics import Json, Metrics
from inference.telemetry.outcome import Outcome
from inference.telemetry.refusals import Refusals
from inference.telemetry.scrape import Snapshots
from inference.telemetry.turned_away import TurnedAway

SNAPSHOT_EVERY_S = 1.0


class Reports:
    """Tells the log and the metrics of every request that ended, and of false claims."""

    def __init__(
        self, log: RequestLog, metrics: Metrics, refusals: Refusals, faults: Faults
    ) -> None:
        self.log = log
        self.metrics = metrics
        self.refused = refusals.refused
        self.faults = faults

    def ended(self, outcome: Outcome) -> None:
        """Pass it on."""
        self.metrics.ended(outcome)
        self.log.ended(outcome)
        if outcome.is_doubted:
            self.faults.count(outcome.worker_id, outcome.project, outcome.status, IMPLAUSIBLE)


class Gateway:
    """A running plane and everything that keeps it running. Made inside the event loop."""

    def __init__(self, config: PlaneConfig) -> None:
        loop = asyncio.get_running_loop()
        url = ValkeyUrl.read(config.valkey_url)
        self.log = RequestLog(_write_out, loop, time.time)
        self.metrics = Metrics()
        self.link = Link(url)
        self.admission = Admission(self.link, config.journal_dir, self.log.say)
        self.tables = Tables(
            ValkeySource(self.link),
            loop.time,
            size=config.bounds.table_entries,
            outage_s=config.outage_s,
        )
        self.changes = Changes(url, self.tables)
        self.refusals = Refusals(self.link, self.tables, loop, time.time)
        name = uuid.uuid4().hex
        self.roster = Roster(self.link, self.tables, name)
        self.agents = Agents(self.link, self.tables, name, config, self.log.say)
        self.hops = Hops(self.link, name, config, self.agents, self.log.say)
        self.fleet = Fleet([*_transports(config), self.agents.transport(self.hops.transport)])
        self.health = Breakers(loop.time, Faults(loop.time, self.log.say))
        picker = Picker(
            self.fleet.load_of,
            lambda worker: self.health.may_try(worker.worker_id) and self.fleet.is_open(worker),
            self.health.is_doubted,
            Random(),  # noqa: S311 - spreads work, hides nothing
            self.fleet.is_full,
            self.fleet.detour,
        )
        self.plane = Plane(
            config=config,
            now=loop.time,
            clock=time.time,
            tables=self.tables,
            limiter=self.admission.limiter,
            fleet=self.fleet,
            router=Router(picker, self.health),
            wheel=Wheel(loop),
            slow_readings=SlowReadings(loop, time.perf_counter),
            reporter=Reports(self.log, self.metrics, self.refusals, self.health.faults),
        )
        self.prober = Prober(
            self.fleet,
            self.health,
            lambda: [*self.plane.workers_in_use(), *self.roster.workers()],
            self.log.say,
            every_s=config.waits.probe_every_s,
            wait_s=config.waits.probe_s,
        )
        self.recheck = Recheck(self.plane)
        self.health.suspect = self.prober.suspect
        self.turned_away = TurnedAway(loop.time, self.log.say)
        self._snapshots = Snapshots(Path(config.metrics_dir)) if config.metrics_dir else None
        self._writer: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect to Valkey, waiting a moment for it; without it the plane starts all the same."""
        self.admission.start()
        self.link.start()
        self.changes.start()
        await self.link.ready(timeout_s=1.0)
        self.prober.start()
        self.roster.start(self._see)
        self.recheck.start()
        await self.hops.start()
        self.agents.start()
        self.log.say("gateway_started", compiled=not core.__file__.endswith(".py"))
        if self._snapshots is not None:
            self._begin_snapshots(self._snapshots)

    async def stop(self) -> None:
        """End what still runs, send the last events, close every connection."""
        self.plane.stopping = self.plane.draining = True
        self.prober.stop()
        self.roster.stop()
        self.recheck.stop()
        self.agents.stop()
        for exchange in list(self.plane.running):
            exchange.stop()
        await self.admission.stop()
        await self.refusals.stop()
        if self._writer is not None:
            self._writer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._writer
        self.plane.wheel.stop()
        self.hops.stop()
        self.fleet.close()
        await self.changes.stop()
        await self.link.stop()
        self.log.flush()

    def unready(self) -> dict[str, str | None]:
        """Say by name why this process should get no new requests; nothing where all is well."""
        stopping = "the gateway is stopping" if self.plane.stopping else None
        away = None if self.link.is_up else "Valkey can't be reached"
        return {
            "gateway": stopping,
            "valkey": away,
            "limits": None if away else self.admission.trouble,
        }

    def _see(self, worker_id: str) -> tuple[bool, float | None, int, str]:
        is_out = worker_id in self.health.out()
        answered_at, heard = self.prober.answered_at(worker_id), self.prober.heard(worker_id)
        return is_out, answered_at, self.fleet.in_flight(worker_id), heard

    def snapshots(self) -> list[Json]:
        """Return the counts of every process of this machine, ours as they are now."""
        others = self._snapshots.others() if self._snapshots is not None else []
        return [*others, self._snapshot()]

    def _snapshot(self) -> Json:
        upstream = self.fleet.stats()
        snapshot = self.metrics.snapshot(
            {
                "open_requests": len(self.plane.running),
                "waits": len(self.plane.wheel),
                "tasks": len(asyncio.all_tasks()),
                "table_entries": len(self.tables),
                "valkey_up": float(self.link.is_up),
                "upstream_connections": upstream.open_connections,
                "upstream_idle": upstream.idle_connections,
                "workers_out": len(self.health.out()),
                "workers_doubted": len(self.health.doubted()),
                "refusals_untold": self.refusals.untold,
                **self.admission.counts(),
                **self.agents.gauges(),
            }
        )
        snapshot["turned_away"] = self.turned_away.counts()
        snapshot |= self.agents.counts() | self.hops.counts()
        snapshot["worker_errors"] = self.health.faults.counts()
        return snapshot

    def _begin_snapshots(self, snapshots: Snapshots) -> None:
        try:
            snapshots.begin()
        except OSError as fault:
            self.log.say("metrics_not_written", "warning", reason=str(fault))
        loop = asyncio.get_running_loop()
        self._writer = loop.create_task(self._write_snapshots(snapshots))

    async def _write_snapshots(self, snapshots: Snapshots) -> None:
        while True:
            try:
                snapshots.write(self._snapshot())
            except OSError as fault:
                self.log.say("metrics_not_written", "warning", reason=str(fault))
            await asyncio.sleep(SNAPSHOT_EVERY_S)


def _transports(config: PlaneConfig) -> list[Transport]:
    """Make all there are: the first that carries a worker's address has its requests."""
    return [
        HttpTransport(
            _Credentials(config.keyring),
            HttpConfig(
                connect_timeout_s=config.waits.connect_s,
                tenants_reach=Reach(networks(config.outgoing_allow)),
            ),
        ),
    ]


class _Credentials:
    """Opens what the control plane sealed. Empty stays empty."""

    def __init__(self, keyring: tuple[str, ...]) -> None:
        self._ring = MultiFernet([Fernet(key) for key in keyring]) if keyring else None

    def __call__(self, worker: Worker) -> bytes:
        if not worker.credential:
            return b""
        if self._ring is None:
            raise WorkerFailed("connect", "its credential can't be opened without a keyring")
        try:
            return self._ring.decrypt(worker.credential.encode())
        except InvalidToken as fault:
            raise WorkerFailed("connect", "no key of the keyring opens its credential") from fault


def _write_out(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
