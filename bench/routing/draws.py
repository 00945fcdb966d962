"""Draws requests from laws (ServeGen's clients), and a tenant that floods a fleet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

from bench.routing.requests import Asked

QUANTILES = (0, 0.01, 0.02, *[0.05 * n for n in range(1, 20)], 0.98, 0.99, 0.999, 1)
"""Where ServeGen's lengths are known."""

WINDOW_S = 600
LENGTHS_S = 21_600


def drawn(
    tenants: Sequence[dict[str, Any]], window: int, span: float, factor: float, dice: Random
) -> list[Asked]:
    """Return what tenants ask in ``span`` s from second ``window`` of their day on.

    ``factor``: how many times as often as they did.
    """
    found = []
    for tenant in tenants:
        for at in _arrivals(tenant["arrivals"], window, span * factor, dice):
            lengths = _lengths(tenant, at)
            prompt, output = [
                _length(lengths[one]["q"], dice) for one in ("input_tokens", "output_tokens")
            ]
            found.append(Asked(0, (at - window) / factor, prompt, output, project=tenant["client"]))
    return numbered(found)


def flood(
    rate: float,
    begin: float,
    span: float,
    lengths: tuple[int, int],
    project: int,
    dice: Random,
) -> list[Asked]:
    """Return requests of one tenant, all of the same lengths, at random moments (Poisson)."""
    prompt, output = lengths
    found, at = [], begin + dice.expovariate(rate)
    while at < begin + span:
        found.append(Asked(0, at, prompt, output, project=project))
        at += dice.expovariate(rate)
    return found


def numbered(requests: list[Asked]) -> list[Asked]:
    """Return them in order of arrival, each with its number."""
    found = sorted(requests, key=lambda one: (one.at, one.project))
    for number, one in enumerate(found):
        one.number = number
    return found


def _arrivals(
    laws: Sequence[Sequence[Any]], window: int, span: float, dice: Random
) -> Iterator[float]:
    for begin, _, _, law, shape, scale in laws:
        if not window - WINDOW_S < begin < window + span:
            continue
        at = begin + _gap(law, shape, scale, dice) * dice.random()
        while at < begin + WINDOW_S:
            if window <= at < window + span:
                yield at
            at += _gap(law, shape, scale, dice)


def _gap(law: str, shape: float, scale: float, dice: Random) -> float:
    if law == "Gamma":
        return dice.gammavariate(shape, scale)
    return dice.weibullvariate(scale, shape)


def _lengths(tenant: dict[str, Any], at: float) -> dict[str, Any]:
    known = {int(begin): one for begin, one in tenant["lengths"].items() if one}
    usable = [
        begin
        for begin, one in known.items()
        if one.get("input_tokens") and one.get("output_tokens")
    ]
    nearest: dict[str, Any] = known[min(usable, key=lambda begin: abs(begin + LENGTHS_S / 2 - at))]
    return nearest


def _length(quantiles: Sequence[float], dice: Random) -> int:
    draw = dice.random()
    place = max(0, next(n for n, q in enumerate(QUANTILES) if draw <= q) - 1)
    low, high = QUANTILES[place], QUANTILES[place + 1]
    share = (draw - low) / (high - low)
    return max(1, round(quantiles[place] + share * (quantiles[place + 1] - quantiles[place])))
