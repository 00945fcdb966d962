"""Which decision records are kept (trace sampling), and how much of each; pure."""

from __future__ import annotations

import json
import zlib
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any, Final

from django.db import models

from inference.contracts.decide import ELIGIBLE, MEETS, REASONS, Decided, decide
from inference.contracts.records import MISSED, UNREACHABLE, DecisionRecord
from inference.contracts.snapshot import Wish, candidate_of

CANDIDATES_KEPT: Final = 16
"""Of the cheapest workers all is kept; of those beyond, how many there were of which reason."""
RECENT_FOR: Final = timedelta(hours=1)
"""How long every decision can be explained, also one that was neither odd nor drawn."""
RECENT_MAX: Final = 1_000_000
"""Decisions that are kept for that hour only, at most: 200 a second are 720,000 in it."""
PARTS: Final = 1_000
ATTEMPTS_MAX: Final = 1_000
_FINE = {"", "complete", "caller_left"}


class Because(models.TextChoices):
    """Why a record is kept. ``RECENT`` is kept for an hour alone."""

    MISSED = "missed", "missed its target"
    FAILED_OVER = "failed_over", "another worker was asked before"
    ERROR = "error", "ended badly"
    SAMPLE = "sample", "drawn by lot"
    RECENT = "recent", "for an hour"


def why_kept(record: DecisionRecord, sample_percent: int) -> Because:
    """Say why a record is kept. The lot is drawn by request: its attempts stay together."""
    if record.came.target in {MISSED, UNREACHABLE}:
        return Because.MISSED
    if record.attempt > 0:
        return Because.FAILED_OVER
    if record.came.ending not in _FINE:
        return Because.ERROR
    is_drawn = zlib.crc32(record.request_id.encode()) % PARTS < sample_percent * PARTS // 100
    return Because.SAMPLE if is_drawn else Because.RECENT


def decided_again(record: DecisionRecord, *, with_target: bool = True) -> Decided:
    """Decide from a record once more: as it was asked, or as if it had named no target."""
    if with_target:
        wish = Wish(record.tokens, record.weight, record.ttft_us, record.tpot_us)
    else:
        wish = Wish(record.tokens, max(1, record.weight * record.policy.untargeted >> 10))
    candidates = [candidate_of(row) for row in record.candidates]
    return decide(candidates, wish, record.policy, record.draw)


def kept_of(record: DecisionRecord) -> dict[str, Any]:
    """Return what is kept of a record: itself with the best candidates, and counts of the rest.

    Raises ``TypeError`` or ``ValueError`` where it is none that could be decided again or kept.
    """
    decided = decided_again(record)
    order = _best_first(record, decided)
    places, beyond = order[:CANDIDATES_KEPT], order[CANDIDATES_KEPT:]
    counts: dict[str, int] = {}
    for place in beyond:
        reason = REASONS[decided.terms[place].reason]
        counts[reason] = counts.get(reason, 0) + 1
    kept: dict[str, Any] = {"record": asdict(_only(record, places)), "beyond": counts}
    kept["odds_beyond"] = sum(decided.terms[place].odds for place in beyond)
    _hold(record, json.dumps(kept, ensure_ascii=False))
    return kept


def _best_first(record: DecisionRecord, decided: Decided) -> list[int]:
    """Order candidates: who was chosen, who let the hopeless be dropped, then by reason and cost.

    So what is left of them is decided again with the same reasons.
    """
    terms = decided.terms
    meets = [place for place, one in enumerate(terms) if one.verdict == MEETS and not one.reason]
    first = {record.chosen, min(meets, key=lambda place: terms[place].cost, default=record.chosen)}
    return sorted(
        range(len(terms)),
        key=lambda at: (at not in first, terms[at].reason != ELIGIBLE, terms[at].cost, at),
    )


def _only(record: DecisionRecord, places: list[int]) -> DecisionRecord:
    if len(places) == len(record.workers):
        return record  # In their own order, so that the draw falls on the same.
    return replace(
        record,
        workers=tuple(record.workers[place] for place in places),
        candidates=tuple(record.candidates[place] for place in places),
        chosen=places.index(record.chosen),
    )


def _hold(record: DecisionRecord, text: str) -> None:
    """Refuse what the database would refuse, and so a whole batch with it. ``ValueError``."""
    text.encode()
    came = record.came
    numbers = (came.took_us, came.tokens_in, came.tokens_out, came.target, record.tokens)
    others = (came.ttft_us, came.tpot_us, came.cached)
    is_odd = "\\u0000" in text or not 0 <= record.attempt <= ATTEMPTS_MAX
    if is_odd or len(record.request_id) > 48 or came.target not in {0, 1, 2, 3}:  # noqa: PLR2004 - the column's width, the words there are
        raise ValueError("a record that can't be kept")
    if not all(isinstance(n, int) for n in (*numbers, *(o for o in others if o is not None))):
        raise TypeError("numbers of a record are whole")
