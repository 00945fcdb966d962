"""Figures of a run: who was served in time, how long it took, what was read twice; pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from math import ceil
from random import Random
from typing import Any

from bench.routing.requests import BLOCK_TOKENS, Asked
from bench.routing.simulate import Fleet, Flight
from xim.sim.batch import Speed

WARM_UP = 0.1
"""The first tenth of the requests is not counted."""

WINDOW_S = 60.0
RESAMPLES = 400
Figures = dict[str, Any]


def figures(flights: Sequence[Flight], fleet: Fleet) -> Figures:
    """Return all figures of a run."""
    counted = flights[int(len(flights) * WARM_UP) :]
    judged = [one for one in counted if one.asked.goal is not None]
    kept = [one for one in judged if in_time(one)]
    within = reachable(flights, fleet)
    reach = [one for one in judged if one.asked.number in within]
    return {
        "requests": len(counted),
        "judged": len(judged),
        "attained": _share(len(kept), len(judged)),
        "attained_of_reachable": _share(sum(map(in_time, reach)), len(reach)),
        "refused": sum(one.refused for one in counted),
        "ttft_with": _latency(judged, ttft),
        "ttft_without": _latency([one for one in counted if one.asked.goal is None], ttft),
        "tpot": _latency(counted, tpot),
        "hit": _share(sum(one.cached for one in counted), sum(one.asked.prompt for one in counted)),
        "goodput": len(kept) / _span(counted),
        "asked_a_second": len(counted) / _span(counted),
        "p90_covers": _covered(counted, 0.9),
        "p50_covers": _covered(counted, 0.5),
        "jain": jain(counted),
        "windows": windows(judged),
    }


def ttft(flight: Flight) -> float | None:
    """Return the seconds until the first token, from when the request was asked."""
    return flight.first - flight.asked.at if flight.first >= 0 else None


def tpot(flight: Flight) -> float | None:
    """Return the seconds a token after the first, if there were any."""
    if flight.first < 0 or flight.asked.output < 2:
        return None
    return (flight.ended - flight.first) / (flight.asked.output - 1)


def in_time(flight: Flight) -> bool:
    """Say whether an answer kept what it is judged by. A refusal never does."""
    goal, first, between = flight.asked.goal, ttft(flight), tpot(flight)
    if goal is None or first is None or flight.refused:
        return False
    return first <= goal.ttft_s and (between is None or between <= goal.tpot_s)


def reachable(flights: Iterable[Flight], fleet: Fleet) -> set[int]:
    """Name the requests whose goal an idle machine with the best cache possible would keep."""
    best = max((one.speed for one in fleet.machines), key=lambda speed: -speed.prompt_token)
    seen: set[int] = set()
    found = set()
    for flight in flights:
        asked, known = flight.asked, 0
        while known < len(asked.blocks) and asked.blocks[known] in seen:
            known += 1
        seen.update(asked.blocks[known:])
        if asked.goal is not None and alone(best, asked, known) <= asked.goal.ttft_s:
            found.add(asked.number)
    return found


def alone(speed: Speed, asked: Asked, known: int) -> float:
    """Return a prompt's TTFT on an idle machine that has read so many blocks of it."""
    read = min(known, (asked.prompt - 1) // BLOCK_TOKENS) * BLOCK_TOKENS
    seconds = 0.0
    while read < asked.prompt:
        piece = min(speed.budget, asked.prompt - read)
        seconds += speed.base + piece * (speed.prompt_token + speed.attention * read)
        read += piece
    return seconds


def jain(flights: Iterable[Flight]) -> float | None:
    """Return Jain's index over the share of each project's requests that came in time; 1: alike."""
    asked: dict[int, int] = defaultdict(int)
    kept: dict[int, int] = defaultdict(int)
    for flight in flights:
        if flight.asked.goal is not None:
            asked[flight.asked.project] += 1
            kept[flight.asked.project] += in_time(flight)
    shares = [kept[one] / count for one, count in asked.items()]
    squares = sum(one * one for one in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares else None


def windows(judged: Iterable[Flight]) -> list[tuple[int, int]]:
    """Return how many were asked, and how many came in time, for each minute of the run."""
    found: dict[int, list[int]] = defaultdict(lambda: [0, 0])
    for flight in judged:
        window = found[int(flight.asked.at // WINDOW_S)]
        window[0] += 1
        window[1] += in_time(flight)
    return [(asked, kept) for _, (asked, kept) in sorted(found.items())]


def interval(counts: Sequence[tuple[int, int]]) -> tuple[float, float]:
    """Return the 95 % interval of the attainment, by a bootstrap over minutes."""
    if not counts:
        return 0.0, 0.0
    dice = Random(0)
    shares = []
    for _ in range(RESAMPLES):
        drawn = dice.choices(counts, k=len(counts))
        shares.append(_share(sum(kept for _, kept in drawn), sum(asked for asked, _ in drawn)))
    shares.sort()
    return shares[int(RESAMPLES * 0.025)], shares[int(RESAMPLES * 0.975)]


def shares_of(
    flights: Iterable[Flight], worker: int, bounds: Sequence[float]
) -> list[float | None]:
    """Return the share of requests that a worker was sent, between each two moments."""
    sent = [[0, 0] for _ in bounds[1:]]
    for flight in flights:
        for place, (begin, end) in enumerate(pairwise(bounds)):
            if begin <= flight.asked.at < end:
                sent[place][0] += flight.worker == worker
                sent[place][1] += 1
    return [mine / among if among else None for mine, among in sent]


def quantile(values: Sequence[float], share: float) -> float:
    """Return the least value that so large a share of the sorted values does not exceed."""
    return values[max(0, ceil(len(values) * share) - 1)]


def _latency(
    flights: Iterable[Flight], measure: Callable[[Flight], float | None]
) -> Figures | None:
    values = sorted(value for value in map(measure, flights) if value is not None)
    if not values:
        return None
    return {
        "mean": sum(values) / len(values),
        "p50": quantile(values, 0.5),
        "p99": quantile(values, 0.99),
    }


def _covered(flights: Iterable[Flight], share: float) -> float | None:
    kept = expected = 0
    for one in flights:
        if one.forecast is not None and one.first >= 0:
            limit = one.forecast.p90 if share > 0.5 else one.forecast.p50
            kept += one.first - one.sent <= limit
            expected += 1
    return kept / expected if expected else None


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _span(flights: Sequence[Flight]) -> float:
    return max(1e-9, flights[-1].asked.at - flights[0].asked.at) if flights else 1.0
