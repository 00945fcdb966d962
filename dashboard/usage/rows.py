"""Requests as pages show them: words and figures only, so that a template can ask nothing more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.urls import reverse

from apikeys import selectors as apikeys
from dashboard.shell.contexts import State
from usage.rules import is_failure

if TYPE_CHECKING:
    from projects.models import Project
    from usage.models import UsageRecord

_ENDINGS = {
    "caller_left": State("", "left early"),
    "worker_broke": State("bad", "worker broke"),
    "timeout": State("bad", "timed out"),
    "refused": State("bad", "refused"),
    "gateway_lost": State("bad", "gateway lost"),
}


@dataclass(frozen=True, slots=True)
class RecordRow:
    """One request of the past."""

    request_id: str
    url: str
    started_at: datetime
    endpoint: str
    model: str
    key: str
    tokens_in: int
    tokens_out: int
    cost: int
    source: str
    ttft_ms: float | None
    latency_ms: float
    status: int
    outcome: State


def record_rows(project: Project, records: Sequence[UsageRecord]) -> tuple[RecordRow, ...]:
    """Lay out records; of the project's keys only those are named that they show."""
    names = apikeys.names_of(
        project=project, public_ids={record.key_id for record in records if record.key_id}
    )
    return tuple(record_row(project, record, names) for record in records)


def record_row(project: Project, record: UsageRecord, key_names: dict[str, str]) -> RecordRow:
    """Lay out a record; a key that is not ours to name keeps its id."""
    return RecordRow(
        request_id=record.request_id,
        url=reverse("project:request", args=[project.public_id, record.request_id]),
        started_at=record.started_at,
        endpoint=record.endpoint,
        model=record.model,
        key=key_names.get(record.key_id, record.key_id),
        tokens_in=record.tokens_in,
        tokens_out=record.tokens_out,
        cost=record.cost,
        source=record.source,
        ttft_ms=record.ttft_ms if record.streamed else None,
        latency_ms=record.latency_ms,
        status=record.status,
        outcome=outcome_of(record.status, record.ending),
    )


def outcome_of(status: int, ending: str) -> State:
    """Say how a request ended, in a dot and a word."""
    if ending in _ENDINGS:
        return _ENDINGS[ending]
    return State("bad" if is_failure(status, ending) else "good", str(status))
