"""What a project's own machines cost: each started hour of each live one, once.

A row of the ledger is named after worker and hour, so that a job that runs twice, or missed
a day, ends with the same rows. A project whose balance is used up is told by its machines:
they are suspended, so that no debt grows silently.
"""

from __future__ import annotations

from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING

from django.db import transaction

from agents import selectors as agents
from agents import services as workers
from agents import shifts
from agents.models import WorkerShift
from catalog import selectors as catalog
from common import clock, outbox
from ledger import selectors
from ledger.models import LedgerEntry
from ledger.rules import HOUR, EntryKind, started_hours

if TYPE_CHECKING:
    from catalog.models import ServiceTier
    from projects.models import Project

USED_UP = "The project's balance is used up."


def bill_agent_hours() -> int:
    """Charge every started hour that is due; return how many there were."""
    tier = catalog.self_hosted_tier()
    if tier is None:
        return 0
    due = sorted(agents.shifts_due(clock.now()), key=lambda one: one.worker.project_id or 0)
    return sum(
        _bill(tier, list(of_project))
        for _, of_project in groupby(due, key=lambda one: one.worker.project_id)
    )


def _bill(tier: ServiceTier, worked: list[WorkerShift]) -> int:
    project = worked[0].worker.project
    assert project is not None  # noqa: S101 - only own workers have shifts
    with transaction.atomic():
        billed = sum(_bill_shift(tier, project, shift) for shift in worked)
        if billed:
            outbox.announce("ledger", project.pk)
        if billed and selectors.account_of(project=project).balance < 0:
            for worker in agents.own_active(project):
                workers.suspend_worker(worker=worker, reason=USED_UP)
    return billed


def _bill_shift(tier: ServiceTier, project: Project, shift: WorkerShift) -> int:
    now = clock.now()
    end = shift.ended_at or now
    hours = list(started_hours(shift.began_at, end, shift.billed_until))
    new = sum(_charge(tier, project, shift, hour) for hour in hours)
    if hours:
        shifts.note_billed(shift=shift, until=hours[-1] + HOUR)
    return new


def _charge(tier: ServiceTier, project: Project, shift: WorkerShift, hour: datetime) -> bool:
    terms = catalog.terms_at(tier, max(hour, shift.began_at))
    if not terms.price_per_agent_hour:
        return False
    worker = shift.worker
    _, is_new = LedgerEntry.objects.get_or_create(
        reference=f"agent-hour:{worker.public_id}:{hour:%Y%m%dT%H}",
        defaults={
            "project": project,
            "at": clock.now(),
            "kind": EntryKind.AGENT_HOURS,
            "amount": -terms.price_per_agent_hour,
            "started_at": hour,
            "tier": tier.slug,
            "terms_number": terms.number,
            "note": f"{worker.name}, the hour from {hour:%d %b %Y %H}:00 UTC",
        },
    )
    return is_new
