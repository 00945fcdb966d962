"""The times in which projects' own workers were live: what agent-hours are counted by."""

from __future__ import annotations

from datetime import datetime

from agents.models import Worker, WorkerShift, WorkerState
from common import clock


def begin(worker: Worker) -> None:
    """Note that a project's own worker takes work from now on, if it does."""
    # Twice resumed is one shift: the constraint allows no second one.
    if worker.project_id is not None and worker.is_offered and worker.state == WorkerState.ACTIVE:
        WorkerShift.objects.get_or_create(
            worker=worker, ended_at=None, defaults={"began_at": clock.now()}
        )


def end(worker: Worker) -> None:
    """Note that it takes none any more."""
    WorkerShift.objects.filter(worker=worker, ended_at=None).update(ended_at=clock.now())


def note_billed(*, shift: WorkerShift, until: datetime) -> None:
    """Remember up to when a shift's started hours stand in the ledger."""
    WorkerShift.objects.filter(pk=shift.pk).update(billed_until=until)
