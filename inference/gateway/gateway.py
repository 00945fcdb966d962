"""Put a plane together from its configuration, and take it apart in good order."""

from __future__ import annotations

import asyncio
import time
import uuid

from inference.admission.service import Admission
from inference.exchange import exchange as core
from inference.exchange.config import PlaneConfig
from inference.exchange.plane import Plane
from inference.exchange.recheck import Recheck
from inference.exchange.slow_readings import SlowReadings
from inference.exchange.timers import Wheel
from inference.gateway.agents import Agents
from inference.gateway.choosing import Choosing
from inference.gateway.figures import Figures
from inference.gateway.hops import Hops
from inference.gateway.published import Published
from inference.gateway.reports import Reports
from inference.gateway.transports import fleet_of
from inference.telemetry.metrics import Json


class Gateway:
    """A running plane and everything that keeps it running. Made inside the event loop."""

    def __init__(self, config: PlaneConfig) -> None:
        loop, name = asyncio.get_running_loop(), uuid.uuid4().hex
        self.published = Published(config)
        self.link, self.tables = self.published.link, self.published.tables
        self.reports = Reports(self.published)
        self.log, self.turned_away = self.reports.log, self.reports.turned_away
        self.admission = Admission(self.link, config.journal_dir, self.log.say)
        self.agents = Agents(self.link, self.tables, name, config, self.log.say)
        self.hops = Hops(self.link, name, config, self.agents, self.log.say)
        self.fleet = fleet_of(config, self.agents, self.hops)
        self.choosing = Choosing(name, config, self.published, self.reports, self.fleet)
        self.health = self.choosing.health
        self.plane = Plane(
            config=config,
            now=loop.time,
            clock=time.time,
            tables=self.tables,
            limiter=self.admission.limiter,
            fleet=self.fleet,
            router=self.choosing.router,
            wheel=Wheel(loop),
            slow_readings=SlowReadings(loop, time.perf_counter),
            reporter=self.reports,
        )
        self.recheck = Recheck(self.plane)
        self.figures = Figures(config.metrics_dir, self._counted, self.log.say)

    async def start(self) -> None:
        """Connect to Valkey, waiting a moment for it; without it the plane starts all the same."""
        self.admission.start()
        await self.published.start()
        self.choosing.start(self.plane.workers_in_use)
        self.recheck.start()
        await self.hops.start()
        self.agents.start()
        self.log.say("gateway_started", compiled=not core.__file__.endswith(".py"))
        self.figures.start()

    async def stop(self) -> None:
        """End what still runs, send the last events, close every connection."""
        self.plane.stopping = self.plane.draining = True
        self.choosing.stop()
        self.recheck.stop()
        self.agents.stop()
        for exchange in list(self.plane.running):
            exchange.stop()
        self.choosing.tell()
        await self.admission.stop()
        await self.reports.refusals.stop()
        await self.figures.stop()
        self.plane.wheel.stop()
        self.hops.stop()
        self.fleet.close()
        await self.published.stop()
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

    def _counted(self) -> Json:
        upstream = self.fleet.stats()
        counted = self.reports.metrics.snapshot(
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
                "refusals_untold": self.reports.refusals.untold,
                **self.choosing.counts(),
                **self.admission.counts(),
                **self.agents.gauges(),
            }
        )
        counted["turned_away"] = self.turned_away.counts()
        counted |= self.agents.counts() | self.hops.counts()
        counted["worker_errors"] = self.reports.faults.counts()
        return counted
