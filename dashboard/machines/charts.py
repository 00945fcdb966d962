"""A machine's last day in charts: what it was asked, what it wrote, how busy it was."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from dashboard.shell.charts import DEFAULT, Chart, Line, chart_of, steps_of
from usage import served

if TYPE_CHECKING:
    from agents.models import Agent
    from projects.models import Project

HOUR_S = 3600


def charts_of(project: Project, agent: Agent, now: datetime) -> tuple[Chart, ...]:
    """Lay out the last day; its load only where the machine has said how much it can do."""
    steps = steps_of(DEFAULT, now)
    workers = [row.public_id for row in agent.workers.all()]
    hours = served.hours_of(project=project, workers=workers, since=steps[0])
    requests = (
        Line("Requests", "main", {one.at: one.requests for one in hours}),
        Line("Failed", "bad", {one.at: one.failures for one in hours}),
    )
    tokens = (
        Line("Written", "main", {one.at: one.tokens_out for one in hours}),
        Line("Read", "previous", {one.at: one.tokens_in for one in hours}),
    )
    found = [
        chart_of("requests-chart", "Requests by the hour", steps, requests),
        chart_of("tokens-chart", "Tokens by the hour", steps, tokens),
    ]
    slots = agent.reported.get("slots")
    if slots:
        busy = {one.at: busy_percent(one.busy_s, slots) for one in hours}
        load = Line("Of its slots, %", "main", busy)
        found.append(chart_of("load-chart", "Busy, on average", steps, (load,)))
    return tuple(found)


def busy_percent(busy_s: float, slots: int) -> int:
    """Return how much of an hour of so many slots was used, rounded; never more than all."""
    return min(100, round(busy_s * 100 / (HOUR_S * slots)))
