"""Rules that see no prefix: random, round robin, least in flight, power of two choices."""

from __future__ import annotations

from collections.abc import Sequence

from bench.routing.requests import Asked
from bench.routing.rule import Rule, Setting


class AtRandom(Rule):
    """Any worker."""

    def choose(self, asked: Asked, there: Sequence[int], now: float) -> int:
        """Draw one."""
        return there[int(self.dice.random() * len(there))]


class RoundRobin(Rule):
    """One after the other; gateways begin at different ones."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self._next = int(self.dice.random() * len(setting.machines))

    def choose(self, asked: Asked, there: Sequence[int], now: float) -> int:
        """Take the next."""
        self._next += 1
        return there[self._next % len(there)]


class LeastInFlight(Rule):
    """The worker with the fewest requests under way from here; among equals, any."""

    def choose(self, asked: Asked, there: Sequence[int], now: float) -> int:
        """Take the least busy."""
        return min(there, key=lambda one: (self.in_flight[one], self.dice.random()))


class PowerOfTwo(Rule):
    """The less busy of two drawn at random: ``inference/router/pick.py``."""

    def choose(self, asked: Asked, there: Sequence[int], now: float) -> int:
        """Draw two, with replacement, as the picker does."""
        one = there[int(self.dice.random() * len(there))]
        other = there[int(self.dice.random() * len(there))]
        return other if self.in_flight[other] < self.in_flight[one] else one
