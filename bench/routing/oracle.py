"""The ceiling: predicted cost in seconds, with the machines' true speeds, caches and queues."""

from __future__ import annotations

from collections.abc import Sequence

from bench.routing.requests import BLOCK_TOKENS, Asked
from bench.routing.rule import Ended, Rule, Setting
from bench.routing.worker import Worker

KAPPA = 0.5
WITHOUT_TARGET = 0.25


class Oracle(Rule):
    """Knows what no gateway can, and weighs it as the router does."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.weight = [0.0] * len(setting.machines)

    def choose(self, asked: Asked, there: Sequence[int], now: float) -> int:
        """Take the least cost: own delay, and what reading it does to those under way there."""
        return min(there, key=lambda one: (self._cost(asked, one), self.dice.random()))

    def placed(self, asked: Asked, worker: int, now: float) -> None:
        """Count who would feel a delay there."""
        super().placed(asked, worker, now)
        self.weight[worker] += _weight(asked)

    def ended(self, asked: Asked, worker: int, now: float, known: Ended) -> None:
        """Count it as gone."""
        super().ended(asked, worker, now, known)
        self.weight[worker] -= _weight(asked)

    def failed(self, asked: Asked, worker: int, now: float) -> None:
        """Count it as gone."""
        super().failed(asked, worker, now)
        self.weight[worker] -= _weight(asked)

    def _cost(self, asked: Asked, one: int) -> float:
        worker = self.setting.truth[one]
        known = min(worker.batch.cache.matched(asked.blocks), (asked.prompt - 1) // BLOCK_TOKENS)
        own = _reading(worker, asked.prompt, known * BLOCK_TOKENS) * worker.slower
        before = sum(
            [
                _reading(worker, other.prompt, other.read)
                for other in (*worker.batch.running, *worker.batch.waiting)
                if other.read < other.prompt
            ]
        )
        ttft = before * worker.slower + own
        return _weight(asked) * ttft + KAPPA * own * self.weight[one]


def _weight(asked: Asked) -> float:
    return 1.0 if asked.target is not None else WITHOUT_TARGET


def _reading(worker: Worker, prompt: int, read: int) -> float:
    """Return the seconds it takes to read the rest of a prompt, alone."""
    speed, new = worker.batch.speed, prompt - read
    steps = -(-new // speed.budget)
    # Each chunk attends to what is before it: on average, to the middle.
    attention = speed.attention * new * max(0.0, read + (new - speed.budget) / 2)
    return steps * speed.base + new * speed.prompt_token + attention
