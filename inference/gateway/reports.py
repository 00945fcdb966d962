"""What becomes of requests, told to all who keep count: log, metrics, refusals, faults."""

from __future__ import annotations

import asyncio
import sys
import time

from inference.gateway.published import Published
from inference.telemetry.faults import IMPLAUSIBLE, Faults
from inference.telemetry.log import RequestLog
from inference.telemetry.metrics import Metrics
from inference.telemetry.outcome import Outcome
from inference.telemetry.refusals import Refusals
from inference.telemetry.turned_away import TurnedAway


class Reports:
    """Tells the log and the metrics of every request that ended, and of false claims.

    Made inside the loop.
    """

    def __init__(self, published: Published) -> None:
        loop = asyncio.get_running_loop()
        self.log = RequestLog(_write_out, loop, time.time)
        self.metrics = Metrics()
        self.refusals = Refusals(published.link, published.tables, loop, time.time)
        self.refused = self.refusals.refused
        self.turned_away = TurnedAway(loop.time, self.log.say)
        self.faults = Faults(loop.time, self.log.say)

    def ended(self, outcome: Outcome) -> None:
        """Pass it on."""
        self.metrics.ended(outcome)
        self.log.ended(outcome)
        if outcome.is_doubted:
            self.faults.count(outcome.worker_id, outcome.project, outcome.status, IMPLAUSIBLE)


def _write_out(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
