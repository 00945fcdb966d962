"""Snapshot (scheduling features): what is known of a request and its candidates; integers only.

A decision reads this and nothing else, so it can be made again from a record, to the bit. Times
are microseconds, shares are of 1,024 (``contracts.policies.ONE``), and all are clamped to what
products of two of them bear (``decide``).
"""

from __future__ import annotations

from typing import Final

from inference.contracts.records import CANDIDATE

NO_TARGET: Final = 0

# States of a worker, one bit each.
TRIED: Final = 1
"""It was asked for this request, in vain."""
OUT: Final = 2
"""Probes found nobody."""
DOUBTED: Final = 4
"""Its breaker is open: another is asked while there is one."""
FULL: Final = 8
"""It has no free slot, or its machine says so."""
SHARED: Final = 16
"""A machine of the platform where the request's project has one of its own among the candidates."""
DETOUR: Final = 32
"""It is asked by way of another gateway."""
UNPROVEN: Final = 64
"""Fewer than ten answers have taught how fast it is."""
HALF_OPEN: Final = 128
"""Its breaker was open until a moment ago: a small request may try it."""

FIELDS: Final = CANDIDATE
"""What is kept of a candidate, in the order of a record."""


class Candidate:
    """A worker that may be chosen, as it looked at that moment.

    ``worker``: its place in the list of candidates; ``hit_tokens`` of the prompt are believed to
    be in its cache, ``new_tokens`` are not; ``backlog``: uncached prompt tokens sent there and
    not yet answered; ``importance``: the sum of what those in flight count; ``base_us`` and
    ``speed_ns`` (a token): its line of TTFT; ``factor``: how much slower it is now; ``q90``: its
    90th percentile against the line; ``tpot_us``: predicted with one more; ``extras_us``:
    prices of ownership, region, pressure, errors.
    """

    __slots__ = (
        "backlog",
        "base_us",
        "extras_us",
        "factor",
        "hit_tokens",
        "importance",
        "in_flight",
        "new_tokens",
        "q90",
        "speed_ns",
        "state",
        "tpot_us",
        "worker",
    )

    def __init__(self, worker: int, state: int) -> None:
        self.worker = worker
        self.state = state
        self.hit_tokens = self.new_tokens = self.backlog = self.in_flight = 0
        self.importance = self.base_us = self.speed_ns = self.tpot_us = self.extras_us = 0
        self.factor = self.q90 = 1024

    def numbers(self) -> tuple[int, ...]:
        """Return what is kept of it, as ``FIELDS`` names it."""
        return (
            self.worker,
            self.state,
            self.hit_tokens,
            self.new_tokens,
            self.backlog,
            self.in_flight,
            self.importance,
            self.base_us,
            self.speed_ns,
            self.factor,
            self.q90,
            self.tpot_us,
            self.extras_us,
        )


def candidate_of(numbers: tuple[int, ...]) -> Candidate:
    """Return the candidate that was kept as these. Raises ``ValueError`` if they are not so many.

    Inverse of ``Candidate.numbers``.
    """
    if len(numbers) != len(FIELDS):
        raise ValueError(f"a candidate is {len(FIELDS)} numbers, not {len(numbers)}")
    made = Candidate(numbers[0], numbers[1])
    made.hit_tokens, made.new_tokens, made.backlog, made.in_flight = numbers[2:6]
    made.importance, made.base_us, made.speed_ns, made.factor = numbers[6:10]
    made.q90, made.tpot_us, made.extras_us = numbers[10:13]
    return made


class Wish:
    """What a request asks of a decision.

    ``tokens``: of its prompt, as estimated; ``weight``: what its delay counts (of 1,024);
    ``ttft_us``, ``tpot_us``: its targets (SLO), ``NO_TARGET`` where it named none.
    """

    __slots__ = ("tokens", "tpot_us", "ttft_us", "weight")

    def __init__(self, tokens: int, weight: int, ttft_us: int = 0, tpot_us: int = 0) -> None:
        self.tokens = tokens
        self.weight = weight
        self.ttft_us = ttft_us
        self.tpot_us = tpot_us

    @property
    def has_target(self) -> bool:
        """Say whether it named a target."""
        return self.ttft_us > NO_TARGET or self.tpot_us > NO_TARGET
