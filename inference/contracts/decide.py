"""Decide (scheduling): which worker costs least, in predicted microseconds; pure, integers only.

    own  = new tokens × speed × factor
    ttft = (base × factor) + backlog × speed × factor + own
    cost = weight × ttft + κ × own × importance of those already there + extras

The least is preferred, not always taken: a worker's share is (least / cost) to the sixteenth, so
that gateways that see the same do not all do the same. What can be no candidate goes first, with
the reason why; then, while somebody meets the request's target for at most twice the least cost,
those that cannot. The formula, and what was measured with it, is in docs/routing.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from inference.contracts.policies import Policy
from inference.contracts.snapshot import (
    DOUBTED,
    FULL,
    HALF_OPEN,
    NO_TARGET,
    OUT,
    TRIED,
    Candidate,
    Wish,
)

FORMULA: Final = 1
"""Rises when the same snapshot may come out otherwise: a replay then says so, and not *different*.
"""

# Why a candidate could not be chosen.
ELIGIBLE: Final = 0
WAS_TRIED: Final = 1
IS_OUT: Final = 2
IS_DOUBTED: Final = 3
IS_FULL: Final = 4
IS_HOPELESS: Final = 5
IS_ON_TRIAL: Final = 6
REASONS: Final = (
    "eligible",
    "tried",
    "out",
    "doubted",
    "full",
    "misses_target",
    "on_trial",
)
"""The codes as words, by number."""

# Whether a candidate is believed to keep the request's target.
NOT_ASKED: Final = 0
MEETS: Final = 1
MAY: Final = 2
MISSES: Final = 3
VERDICTS: Final = ("", "meets", "may", "misses")

TRIAL_TOKENS: Final = 3_000
"""A worker on trial gets requests up to this, and none with a target."""

_SHIFT: Final = 10
_UNIT: Final = 1 << 16
_TOKENS_MAX: Final = 1 << 26
_SPEED_MAX: Final = 1 << 33
_TIME_MAX: Final = 1 << 40
"""Twelve days. Whatever is more is so much: a product of two then stays below 2**62."""
_IMPORTANCE_MAX: Final = 1 << 21
_WEIGHT_MAX: Final = 1 << 15


class Terms:
    """What a candidate costs, and of what: microseconds.

    ``cost`` is ``weight × (base_us + backlog_us + own_us) + others_us + extras_us``; ``ttft_us``
    is the sum in the brackets, ``p90_us`` what nine of ten answers keep.
    """

    __slots__ = (
        "backlog_us",
        "base_us",
        "cost",
        "odds",
        "others_us",
        "own_us",
        "p90_us",
        "reason",
        "ttft_us",
        "verdict",
    )

    def __init__(self, candidate: Candidate, wish: Wish, policy: Policy) -> None:
        factor = candidate.factor
        speed = min(candidate.speed_ns * factor >> _SHIFT, _SPEED_MAX)
        new, backlog = min(candidate.new_tokens, _TOKENS_MAX), min(candidate.backlog, _TOKENS_MAX)
        self.base_us = candidate.base_us * factor >> _SHIFT
        self.own_us = new * speed // 1000
        self.backlog_us = backlog * speed // 1000
        self.ttft_us = min(self.base_us + self.backlog_us + self.own_us, _TIME_MAX)
        self.p90_us = self.ttft_us * candidate.q90 >> _SHIFT
        importance = min(candidate.importance, _IMPORTANCE_MAX)
        delayed = min(min(self.own_us, _TIME_MAX) * importance >> _SHIFT, _TIME_MAX)
        self.others_us = delayed * policy.kappa >> _SHIFT
        waited = self.ttft_us * min(wish.weight, _WEIGHT_MAX) >> _SHIFT
        self.cost = min(waited + self.others_us + candidate.extras_us, _TIME_MAX) or 1
        self.verdict = _verdict(self, candidate, wish)
        self.reason = ELIGIBLE
        self.odds = 0


class Decided:
    """What was decided. ``chosen``: a place in the candidates, -1 where nobody may be asked.

    ``eligible``: among how many it was; ``terms``: of each candidate, in their order; ``total``:
    what all odds come to. ``is_reachable``: whether anybody of those who could be chosen was
    believed to keep the target.
    """

    __slots__ = ("chosen", "eligible", "is_reachable", "terms", "total")

    def __init__(self, chosen: int, terms: list[Terms], left: list[int], total: int) -> None:
        self.chosen = chosen
        self.eligible = len(left)
        self.terms = terms
        self.total = total
        self.is_reachable = any(terms[place].verdict != MISSES for place in left)


def decide(candidates: Sequence[Candidate], wish: Wish, policy: Policy, draw: int) -> Decided:
    """Choose a worker for a request.

    ``draw``: 62 random bits (``mix``); the same ones choose the same of the same. Never raises.
    """
    terms = [Terms(candidate, wish, policy) for candidate in candidates]
    left = _eligible(candidates, terms, wish)
    least = _least(terms, left)
    if wish.has_target:
        left = _drop_hopeless(terms, left, least)
    total = _give_odds(terms, left, least, policy.squarings)
    chosen = _explored(terms, left, wish, policy, draw)
    if chosen < 0:
        chosen = _drawn(terms, left, total, draw)
    return Decided(chosen, terms, left, total)


def _verdict(terms: Terms, candidate: Candidate, wish: Wish) -> int:
    if not wish.has_target:
        return NOT_ASKED
    if wish.tpot_us > NO_TARGET and candidate.tpot_us > wish.tpot_us:
        return MISSES
    if wish.ttft_us == NO_TARGET or terms.p90_us <= wish.ttft_us:
        return MEETS
    return MAY if terms.ttft_us <= wish.ttft_us else MISSES


def _eligible(candidates: Sequence[Candidate], terms: list[Terms], wish: Wish) -> list[int]:
    """Name who may be chosen: of the soundest kind there is, free ones before full ones."""
    free: list[int] = []
    full: list[int] = []
    doubted: list[int] = []
    for place, candidate in enumerate(candidates):
        reason = _reason(candidate, wish)
        terms[place].reason = reason
        if reason == ELIGIBLE:
            free.append(place)
        elif reason == IS_FULL:
            full.append(place)
        elif reason in {IS_DOUBTED, IS_ON_TRIAL}:
            doubted.append(place)
    left = free or full or doubted
    for place in left:
        terms[place].reason = ELIGIBLE
    return left


def _reason(candidate: Candidate, wish: Wish) -> int:
    state = candidate.state
    if state & TRIED:
        return WAS_TRIED
    if state & OUT:
        return IS_OUT
    if state & DOUBTED:
        return IS_DOUBTED
    if state & HALF_OPEN and (wish.has_target or candidate.new_tokens > TRIAL_TOKENS):
        return IS_ON_TRIAL
    return IS_FULL if state & FULL else ELIGIBLE


def _least(terms: list[Terms], left: list[int]) -> int:
    least = _TIME_MAX
    for place in left:
        least = min(least, terms[place].cost)
    return least


def _drop_hopeless(terms: list[Terms], left: list[int], least: int) -> list[int]:
    """Leave out who misses the target, while somebody meets it who is not much dearer."""
    if not any(terms[p].verdict == MEETS and terms[p].cost <= 2 * least for p in left):
        return left
    kept = []
    for place in left:
        if terms[place].verdict == MISSES:
            terms[place].reason = IS_HOPELESS
        else:
            kept.append(place)
    return kept


def _give_odds(terms: list[Terms], left: list[int], least: int, squarings: int) -> int:
    least = max(least, _least(terms, left))
    total = 0
    for place in left:
        share = least * _UNIT // terms[place].cost
        for _ in range(squarings):
            share = share * share // _UNIT
        terms[place].odds = share
        total += share
    return total


def _explored(terms: list[Terms], left: list[int], wish: Wish, policy: Policy, draw: int) -> int:
    """Return whom chance has found, for the few requests that are sent to find out; -1 else."""
    if not policy.epsilon or wish.has_target or wish.tokens > TRIAL_TOKENS or not left:
        return -1
    if (draw >> 31) % 1000 >= policy.epsilon:
        return -1
    return left[(draw & 0x7FFFFFFF) % len(left)]


def _drawn(terms: list[Terms], left: list[int], total: int, draw: int) -> int:
    if total <= 0:
        return -1
    ticket = draw % total
    for place in left:
        ticket -= terms[place].odds
        if ticket < 0:
            return place
    return -1


def mix(seed: int) -> int:
    """Return 62 bits that look like chance, the same ones for the same seed (splitmix64)."""
    mask = 0xFFFFFFFFFFFFFFFF
    z = (seed + 0x9E3779B97F4A7C15) & mask
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return (z ^ (z >> 31)) >> 2
