"""Explain a decision (explainability) to the project whose request it was; pure.

All in milliseconds. What hangs on other projects' requests is told only roughly, and machines of
the platform have neutral names: how busy one is says what others do (docs/decisions.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from string import ascii_uppercase
from typing import Final

from inference.contracts.decide import (
    ELIGIBLE,
    FORMULA,
    REASONS,
    VERDICTS,
    Decided,
    Terms,
)
from inference.contracts.policies import ONE
from inference.contracts.records import CANDIDATE, DecisionRecord
from routing.rules import decided_again

TERMS: Final = ("base", "waiting", "prompt", "others", "prices")
"""What a cost is made of: the way there, what is before it, its own prompt, whom it delays, prices.
"""
_HIT, _IN_FLIGHT = CANDIDATE.index("hit_tokens"), CANDIDATE.index("in_flight")
_TENTH: Final = 10
_DEC, _REQ = "dec_", "req_"


@dataclass(frozen=True, slots=True)
class Kept:
    """What was kept of one attempt; ``odds_beyond`` and ``beyond`` are of candidates that weren't.

    ``beyond``: how many by reason.
    """

    record: DecisionRecord
    because: str
    beyond: Mapping[str, int]
    odds_beyond: int


@dataclass(frozen=True, slots=True)
class Names:
    """What a project may know of workers: the names of its own, and who reuses others' prompts."""

    own: Mapping[str, str]
    open_caches: frozenset[str]


@dataclass(frozen=True, slots=True)
class Term:
    """One part of a cost. ``share``: per cent of the whole."""

    name: str
    ms: float
    share: int


@dataclass(frozen=True, slots=True)
class Seen:
    """A candidate as its project may see it.

    ``cost_ms`` is the sum of ``terms``; ``chance``: per cent. ``load``: requests it had.
    ``hit_tokens``: of the prompt, expected in its cache; none where that is not told.
    """

    name: str
    is_own: bool
    is_chosen: bool
    reason: str
    verdict: str
    cost_ms: float
    terms: tuple[Term, ...]
    chance: int
    ttft_ms: float
    p90_ms: float
    load: int
    hit_tokens: int | None


@dataclass(frozen=True, slots=True)
class Explained:
    """One attempt. ``weight``: what a millisecond of its own waiting counted.

    ``is_same_formula``: whether the terms are by the version that decided. ``without_target``:
    whom it would have gone to; empty where it named none. ``actual_ms``: its time to first token.
    """

    request_id: str
    attempt: int
    at: datetime
    because: str
    endpoint: str
    model: str
    policy: str
    policy_version: int
    is_same_formula: bool
    weight: float
    tokens: int
    fallback: int
    target_ttft_ms: float | None
    target_tpot_ms: float | None
    target: int
    candidates: tuple[Seen, ...]
    beyond: Mapping[str, int]
    actual_ms: float | None
    actual_tpot_ms: float | None
    cached: int | None
    ending: str
    without_target: str

    @property
    def chosen(self) -> Seen:
        """Return who was chosen."""
        return next(one for one in self.candidates if one.is_chosen)


def request_id_of(decision_id: str) -> str:
    """Return the id of the request whose decision has this one."""
    if decision_id.startswith(_DEC):
        return _REQ + decision_id.removeprefix(_DEC)
    return decision_id


def decision_id_of(request_id: str) -> str:
    """Return how answers name the decision of a request. Inverse of ``request_id_of``."""
    return _DEC + request_id.removeprefix(_REQ)


def explain(kept: Sequence[Kept], names: Names) -> list[Explained]:
    """Explain the attempts of one request. A machine has one name in all of them."""
    decided = [decided_again(one.record) for one in kept]
    called = _called(kept, decided, names)
    return [_explained(one, its, called, names) for one, its in zip(kept, decided, strict=True)]


def rough(value: float) -> float:
    """Round to 1, 2 or 5 times a power of ten: about what a busy machine's load is told as."""
    step = 1.0
    if value <= 0:
        return 0
    while step * _TENTH <= value:
        step *= _TENTH
    while step > value:
        step /= _TENTH
    return min((step, 2 * step, 5 * step, _TENTH * step), key=lambda near: abs(near - value))


def _called(kept: Sequence[Kept], decided: Sequence[Decided], names: Names) -> dict[str, str]:
    """Name every worker: its own name, or the next letter by how little it costs."""
    called = dict(names.own)
    letters = (letters_of(number) for number in range(len(ascii_uppercase) ** 2))
    for one, its in zip(kept, decided, strict=True):
        for place in _by_cost(its):
            worker = one.record.workers[place]
            if worker not in called:
                called[worker] = f"machine {next(letters)}"
    return called


def letters_of(number: int) -> str:
    """Return A to Z, then AA, AB, and so on."""
    more, last = divmod(number, len(ascii_uppercase))
    return (letters_of(more - 1) if more else "") + ascii_uppercase[last]


def _by_cost(decided: Decided) -> list[int]:
    terms = decided.terms
    return sorted(
        range(len(terms)), key=lambda at: (terms[at].reason != ELIGIBLE, terms[at].cost, at)
    )


def _explained(kept: Kept, decided: Decided, called: Mapping[str, str], names: Names) -> Explained:
    record, came = kept.record, kept.record.came
    seen = tuple(_seen(kept, decided, place, called, names) for place in _by_cost(decided))
    return Explained(
        request_id=record.request_id,
        attempt=record.attempt,
        at=datetime.fromtimestamp(record.at, UTC),
        because=kept.because,
        endpoint=record.endpoint,
        model=record.model,
        policy=record.policy.name,
        policy_version=record.policy.version,
        is_same_formula=record.formula == FORMULA,
        weight=round(record.weight / ONE, 3),
        tokens=record.tokens,
        fallback=record.fallback,
        target_ttft_ms=_ms(record.ttft_us or None),
        target_tpot_ms=_ms(record.tpot_us or None),
        target=came.target,
        candidates=seen,
        beyond=kept.beyond,
        actual_ms=_ms(came.ttft_us),
        actual_tpot_ms=_ms(came.tpot_us),
        cached=came.cached,
        ending=came.ending,
        without_target=_without_target(record, called),
    )


def _seen(
    kept: Kept, decided: Decided, place: int, called: Mapping[str, str], names: Names
) -> Seen:
    record, terms = kept.record, decided.terms[place]
    worker, row = record.workers[place], record.candidates[place]
    is_own = worker in names.own
    parts = _parts(terms, record.weight, is_own=is_own)
    cost = sum(parts.values())
    waits = terms.backlog_us / 1000 if is_own else rough(terms.backlog_us / 1000)
    ttft = terms.base_us / 1000 + waits + terms.own_us / 1000
    spread = terms.p90_us / terms.ttft_us if terms.ttft_us else 1
    return Seen(
        name=called[worker],
        is_own=is_own,
        is_chosen=place == record.chosen,
        reason=REASONS[terms.reason],
        verdict=VERDICTS[terms.verdict],
        cost_ms=_short(cost),
        terms=tuple(
            Term(name, _short(ms), round(100 * ms / cost) if cost else 0)
            for name, ms in parts.items()
        ),
        chance=_chance(kept, decided, place, names),
        ttft_ms=_short(ttft),
        p90_ms=_short(ttft * spread),
        load=row[_IN_FLIGHT] if is_own else int(rough(row[_IN_FLIGHT])),
        hit_tokens=None if worker in names.open_caches and not is_own else row[_HIT],
    )


def _parts(terms: Terms, weight: int, *, is_own: bool) -> dict[str, float]:
    """Return what a cost is made of, as it counted, in ms; of a shared machine's load roughly."""
    share = weight / ONE / 1000
    known = rough if not is_own else float
    return {
        "base": terms.base_us * share,
        "waiting": known(terms.backlog_us * share),
        "prompt": terms.own_us * share,
        "others": known(terms.others_us / 1000),
        "prices": known((terms.cost - int(terms.ttft_us * weight >> 10) - terms.others_us) / 1000),
    }


def _chance(kept: Kept, decided: Decided, place: int, names: Names) -> int:
    """Return how likely it was chosen, per cent; among shared machines by tens.

    A chance falls with the sixteenth power of a cost, so the exact one tells a load exactly.
    """
    total = sum(one.odds for one in decided.terms) + kept.odds_beyond
    exact = 100 * decided.terms[place].odds / total if total else 0
    if all(worker in names.own for worker in kept.record.workers):
        return round(exact)
    return round(exact / _TENTH) * _TENTH


def _without_target(record: DecisionRecord, called: Mapping[str, str]) -> str:
    if not (record.ttft_us or record.tpot_us):
        return ""
    chosen = decided_again(record, with_target=False).chosen
    return called[record.workers[chosen]] if chosen >= 0 else ""


def _ms(us: int | None) -> float | None:
    return None if us is None else _short(us / 1000)


def _short(ms: float) -> float:
    """Leave a tenth of a millisecond: nobody reads more, and less is noise."""
    return round(ms, 1)
