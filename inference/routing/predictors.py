"""Predictors (online regression): how long a worker takes to its first token, and between tokens.

Two layers for TTFT. A *line* says what a prompt takes when all is as usual: ``base + speed ×
tokens`` (least squares with forgetting). A *factor* says how much slower the worker is
now (a moving average of log(actual / line)), and drifts back to one while nothing is heard, so
that a worker that healed is found without trials. Beside them stand quantiles of what the two get
wrong, by size of the prediction: they are shown and compared with targets, and rank nobody.

Only whole answers teach. Failures, cut-off answers and those who left say nothing of speed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

FORGETTING: Final = 0.98
HALF_LIFE_S: Final = 20.0
LN2: Final = 0.6931471805599453
ALPHA: Final = 0.15
QUICK_S: Final = 0.2
"""Answers quicker than this teach the factor less: noise is a large part of them."""
FACTOR_MIN, FACTOR_MAX = math.log(1 / 20), math.log(50)
OFF: Final = math.log(2.0)
"""Observations further from the line than this teach the factor, and hardly the line."""
OFF_WEIGHT: Final = 0.05
SPEED_MIN_S: Final = 2e-6
BASE_S: Final = 0.05
SPEED_S: Final = 150e-6
"""Where nobody knows better: 50 ms, and 150 µs a token."""
PRIOR_COUNT: Final = 5
FAR: Final = 4.0
STAYING: Final = 0.02
"""How much what is believed already counts beside what is observed."""
FAIR_COUNT, SURE_COUNT = 10, 50
STEP: Final = 0.08
# Of any length: compiled, a tuple of five floats that begins as this one counts as unset.
CLASSES_S: Final[tuple[float, ...]] = (0.1, 0.3, 1.0, 3.0, 10.0)
"""Bounds of the classes of predicted TTFT that have quantiles of their own."""
Q50, Q90 = 0.5, 0.9
START_90: Final = math.log(1.6)


class Line:
    """``base + slope × x``, learned by least squares over what is lately (weights forgotten).

    Solved from five sums at each observation, so that nothing winds up where all are alike: what
    they do not say stays where it is (a proximal term), and neither parameter goes below its bound.
    Where it starts counts as five observations, half of them at no token and half at 4,000.
    """

    __slots__ = ("_w", "_wx", "_wxx", "_wxy", "_wy", "base", "count", "slope")

    def __init__(self, base: float, slope: float) -> None:
        self.base = base
        self.slope = slope
        self.count = 0
        half = PRIOR_COUNT / 2
        self._w, self._wx, self._wxx = 2 * half, half * FAR, half * FAR * FAR
        self._wy = half * base + half * (base + slope * FAR)
        self._wxy = half * FAR * (base + slope * FAR)

    def at(self, x: float) -> float:
        """Return what is predicted there."""
        return self.base + self.slope * x

    def learn(self, x: float, y: float, weight: float, least_slope: float) -> None:
        """Learn that it was ``y`` at ``x``."""
        self.count += 1
        self._w = self._w * FORGETTING + weight
        self._wx = self._wx * FORGETTING + weight * x
        self._wxx = self._wxx * FORGETTING + weight * x * x
        self._wy = self._wy * FORGETTING + weight * y
        self._wxy = self._wxy * FORGETTING + weight * x * y
        self._solve(least_slope)

    def _solve(self, least_slope: float) -> None:
        # Its own curvature in each direction, so that the term is as small beside any unit of x.
        w, wxx = self._w * STAYING, self._wxx * STAYING + STAYING
        a, c = self._w + w, self._wxx + wxx
        p, q = self._wy + w * self.base, self._wxy + wxx * self.slope
        det = a * c - self._wx * self._wx
        base = (p * c - q * self._wx) / det
        slope = (q * a - p * self._wx) / det
        if base < 0.0:
            base, slope = 0.0, q / c
        if slope < least_slope:
            slope = least_slope
            base = max(0.0, (p - self._wx * slope) / a)
        self.base, self.slope = base, slope


class Quantiles:
    """The median and the 90th percentile of log(actual / predicted), by class of predicted TTFT.

    Stochastic approximation of a quantile (Robbins and Monro): a step up where it was more, a
    smaller one down where it was not.
    """

    __slots__ = ("_q50", "_q90")

    def __init__(self) -> None:
        self._q50 = [0.0] * (len(CLASSES_S) + 1)
        self._q90 = [START_90] * (len(CLASSES_S) + 1)

    def learn(self, predicted_s: float, error: float) -> None:
        """Learn how far a prediction was off: log(actual / predicted)."""
        place = _class_of(predicted_s)
        self._q50[place] += STEP * (Q50 if error > self._q50[place] else Q50 - 1)
        self._q90[place] += STEP * (Q90 if error > self._q90[place] else Q90 - 1)

    def median(self, predicted_s: float) -> float:
        """Return the median of actual / predicted, as a factor."""
        return math.exp(self._q50[_class_of(predicted_s)])

    def p90(self, predicted_s: float) -> float:
        """Return the 90th percentile of actual / predicted, as a factor; at least the median."""
        place = _class_of(predicted_s)
        return math.exp(max(self._q90[place], self._q50[place]))


def _class_of(predicted_s: float) -> int:
    for place, bound in enumerate(CLASSES_S):
        if predicted_s < bound:
            return place
    return len(CLASSES_S)


class Prior:
    """What is believed of a worker that has not answered yet: seconds, and seconds a token."""

    __slots__ = ("base_s", "speed_s")

    def __init__(self, base_s: float = BASE_S, speed_s: float = SPEED_S) -> None:
        self.base_s = base_s
        self.speed_s = speed_s


THOUSAND: Final = 1000.0


class FirstToken:
    """When a worker's first token comes (TTFT), by the uncached tokens before and in a request.

    ``now_s`` is a monotonic clock and never goes back.
    """

    __slots__ = ("_at_s", "_line", "_log", "quantiles")

    def __init__(self, prior: Prior) -> None:
        # Thousands of tokens: both parameters are then of a size.
        self._line = Line(prior.base_s, prior.speed_s * THOUSAND)
        self._log = 0.0
        self._at_s = 0.0
        self.quantiles = Quantiles()

    @property
    def count(self) -> int:
        """Return how many answers have taught it."""
        return self._line.count

    @property
    def base_s(self) -> float:
        """Return what an empty prompt takes, in seconds, when all is as usual."""
        return self._line.base

    @property
    def speed_s(self) -> float:
        """Return what an uncached token takes, in seconds, when all is as usual."""
        return self._line.slope / THOUSAND

    def line_s(self, tokens: int) -> float:
        """Return what so many uncached tokens take when all is as usual, in seconds."""
        return self._line.at(tokens / THOUSAND)

    def factor(self, now_s: float) -> float:
        """Return how much slower it is now than usual."""
        return math.exp(self._drifted(now_s))

    def expect(self, prior: Prior) -> None:
        """Begin anew from what peers have shown meanwhile. Only while it was taught nothing."""
        if self.count == 0:
            self._line = Line(prior.base_s, prior.speed_s * THOUSAND)

    def learn(self, tokens: int, actual_s: float, now_s: float) -> None:
        """Learn that the first token took so long after so many uncached tokens were ahead."""
        predicted = max(self.line_s(tokens), 1e-4)
        log = math.log(max(actual_s, 1e-4) / predicted)
        drifted = self._drifted(now_s)
        self.quantiles.learn(predicted * math.exp(drifted), log - drifted)
        alpha = ALPHA * min(1.0, actual_s / QUICK_S) if actual_s < QUICK_S else ALPHA
        self._log = _clamped(drifted + alpha * (log - drifted))
        self._at_s = now_s
        weight = 1.0 / (1.0 + actual_s)
        if self._line.count >= PRIOR_COUNT and abs(log) > OFF:
            weight *= OFF_WEIGHT
        self._line.learn(tokens / THOUSAND, actual_s, weight, SPEED_MIN_S * THOUSAND)

    def overdue(self, tokens: int, waited_s: float, now_s: float) -> None:
        """Learn that a first token is not there yet: it will have taken at least so long."""
        log = math.log(max(waited_s, 1e-4) / max(self.line_s(tokens), 1e-4))
        if log > self._drifted(now_s):
            self._log, self._at_s = _clamped(log), now_s

    def _drifted(self, now_s: float) -> float:
        past_s = now_s - self._at_s
        return self._log * math.exp(-LN2 * past_s / HALF_LIFE_S) if past_s > 0 else self._log


def median_of(known: Sequence[FirstToken]) -> Prior:
    """Return what is usual among workers; of none, what is usual anywhere."""
    if not known:
        return Prior()
    middle = len(known) // 2
    bases = sorted(first.base_s for first in known)
    speeds = sorted(first.speed_s for first in known)
    return Prior(bases[middle], speeds[middle])


def _clamped(log: float) -> float:
    return max(FACTOR_MIN, min(log, FACTOR_MAX))


class BetweenTokens:
    """How long a worker takes between tokens (TPOT), by how many requests it has."""

    __slots__ = ("_line",)

    def __init__(self) -> None:
        self._line = Line(0.02, 0.0)

    @property
    def count(self) -> int:
        """Return how many answers have taught it."""
        return self._line.count

    def at_s(self, in_flight: int) -> float:
        """Return what is predicted with so many in flight, in seconds a token."""
        return self._line.at(in_flight / 10)

    def learn(self, in_flight: int, actual_s: float) -> None:
        """Learn what a token took, with so many in flight when it began."""
        self._line.learn(in_flight / 10, actual_s, 1.0, 0.0)
