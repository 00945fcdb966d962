"""Questions about decisions. Every one of them names the project it asks about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agents import selectors as agents
from inference.contracts.records import record_from
from routing import explained
from routing.explained import Explained, Kept, Names
from routing.models import KeptDecision

if TYPE_CHECKING:
    from projects.models import Project


def explained_of(*, project: Project, decision_id: str) -> list[Explained]:
    """Return the attempts of a request, in their order, each explained to this project.

    ``decision_id`` is ``dec_…`` as answers name it, or the request's id. Empty where nothing
    was kept.
    """
    request_id = explained.request_id_of(decision_id)
    rows = KeptDecision.objects.filter(project=project, request_id=request_id).order_by("attempt")
    kept = [found for row in rows if (found := _kept(row)) is not None]
    ids = {name for one in kept for name in one.record.workers}
    names = Names(
        own=agents.own_names(project=project, worker_ids=ids),
        open_caches=frozenset(agents.with_open_cache(ids)),
    )
    return explained.explain(kept, names)


def has_decision(*, project: Project, request_id: str) -> bool:
    """Say whether a request's decision was kept."""
    return KeptDecision.objects.filter(project=project, request_id=request_id).exists()


def _kept(row: KeptDecision) -> Kept | None:
    record = record_from(row.body.get("record"))
    if record is None:  # Kept by another version, whose records are not ours to read.
        return None
    return Kept(record, row.kept_because, row.body["beyond"], row.body["odds_beyond"])
