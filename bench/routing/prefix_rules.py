"""Rules of others that see prefixes, each after its printed formula; all share one index.

None of them is the others' code. What is theirs is the formula and its defaults; what differs is
said at each. Sources: ``README.md`` beside this file.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from bench.routing.index import PrefixIndex
from bench.routing.requests import BLOCK_TOKENS, Asked
from bench.routing.rule import Ended, Rule, Setting


class SeesPrefixes(Rule):
    """Keeps an index as large as the machines' caches, and the tokens that each has to read."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        rooms = [one.speed.kv_tokens / BLOCK_TOKENS for one in setting.machines]
        self.index = PrefixIndex([round(room * setting.index_factor) for room in rooms])
        self.unread = [0] * len(rooms)
        self.active = [0] * len(rooms)
        self.sent = [0] * len(rooms)
        self._new: dict[int, int] = {}
        self._matched: tuple[int, list[int]] = (-1, [])

    def hits(self, asked: Asked) -> list[int]:
        """Return for each worker how many tokens of the prompt it probably holds."""
        if self._matched[0] != asked.number:
            found = self.index.match(asked.blocks)
            self._matched = asked.number, [count * BLOCK_TOKENS for count in found]
        return self._matched[1]

    def placed(self, asked: Asked, worker: int, now: float) -> None:
        """Count what it has to read there, and what it takes up."""
        super().placed(asked, worker, now)
        new = max(1, asked.guess - self.hits(asked)[worker])
        self._new[asked.number] = new
        self._matched = -1, []
        self.unread[worker] += new
        self.active[worker] += asked.guess
        self.sent[worker] += 1
        self.index.put(asked.blocks, worker)

    def first_token(self, asked: Asked, worker: int, now: float) -> None:
        """Count its prompt as read."""
        self.unread[worker] -= self._new.pop(asked.number)

    def ended(self, asked: Asked, worker: int, now: float, known: Ended) -> None:
        """Count it as gone."""
        super().ended(asked, worker, now, known)
        self.active[worker] -= asked.guess

    def failed(self, asked: Asked, worker: int, now: float) -> None:
        """Count it as gone, unread."""
        super().failed(asked, worker, now)
        self.unread[worker] -= self._new.pop(asked.number)
        self.active[worker] -= asked.guess

    def least(self, there: Sequence[int]) -> int:
        """Return who has the fewest requests under way; among equals, who was asked least."""
        return min(there, key=lambda one: (self.in_flight[one], self.sent[one], one))


class CacheAware2025(SeesPrefixes):
    """SGLang's and vLLM's router of 2025: the longest match, unless loads are far apart.

    Without a match it takes the worker with the smallest tree; here, to which least was sent.
    """

    def __init__(self, setting: Setting, threshold: float, far: int, times: float) -> None:
        super().__init__(setting)
        self._threshold, self._far, self._times = threshold, far, times

    def choose(self, asked: Asked, there: Sequence[int], now: float) -> int:
        """Take the least busy if unbalanced, else the best match above the threshold."""
        loads = [self.in_flight[one] for one in there]
        if max(loads) - min(loads) > self._far and max(loads) > self._times * min(loads):
            return self.least(there)
        hits = self.hits(asked)
        best = max(there, key=lambda one: hits[one])
        if hits[best] > self._threshold * asked.guess:
            return best
        return min(there, key=lambda one: (self.index.size(one), one))


class Smg2026(SeesPrefixes):
    """SMG of August 2026: the least busy of those that hold the deepest match, if it is a match.

    Whoever has over 1.5 times the mean, and over the mean and 64, is passed over.
    """

    THRESHOLD = 0.3

    def choose(self, asked: Asked, there: Sequence[int], now: float) -> int:
        """Take the least busy of the best matches, or of all."""
        hits = self.hits(asked)
        mean = sum([self.in_flight[one] for one in there]) / len(there)
        limit = max(1.5 * mean, mean + 64)
        calm = [one for one in there if self.in_flight[one] <= limit] or there
        deepest = max([hits[one] for one in calm])
        if deepest > self.THRESHOLD * asked.guess:
            return self.least([one for one in calm if hits[one] == deepest])
        return self.least(calm)


class LlmD(SeesPrefixes):
    """llm-d's scorers by the weights of its chart: prefix 3, queue 2, KV 2; metrics 50 ms old."""

    metrics_every = 0.05

    def choose(self, asked: Asked, there: Sequence[int], now: float) -> int:
        """Take the highest sum of scores in [0, 1]; among equals, any."""
        hits, said = self.hits(asked), self.setting.metrics
        queues = [said[one].waiting for one in there]
        longest, spread = max(queues), max(queues) - min(queues)

        def score(one: int) -> tuple[float, float]:
            queue = (longest - said[one].waiting) / spread if spread else 1.0
            prefix = min(1.0, hits[one] / asked.guess)
            return 3 * prefix + 2 * queue + 2 * (1 - said[one].kv_use), self.dice.random()

        return max(there, key=score)


class LoadAware(SeesPrefixes):
    """production-stack's proposal (#1035): share of the prompt matched, less half of the load."""

    BETA = 0.5

    def choose(self, asked: Asked, there: Sequence[int], now: float) -> int:
        """Take the highest difference; load is relative to the busiest."""
        hits = self.hits(asked)
        busiest = max(1, *[self.in_flight[one] for one in there])

        def score(one: int) -> tuple[float, float]:
            load = self.in_flight[one] / busiest
            return hits[one] / asked.guess - self.BETA * load, self.dice.random()

        return max(there, key=score)


class Dynamo(SeesPrefixes):
    """Dynamo's default cost in blocks: what is to be read there, and what is held there."""

    def choose(self, asked: Asked, there: Sequence[int], now: float) -> int:
        """Take the least: prompt tokens unread after this one, and those of active requests."""
        hits = self.hits(asked)

        def cost(one: int) -> tuple[int, float]:
            unread = max(0, self.unread[one] + asked.guess - hits[one])
            return unread + self.active[one] + asked.guess, self.dice.random()

        return min(there, key=cost)


class LMetric(SeesPrefixes):
    """LMetric (arXiv 2603.15202): tokens to be read, times requests under way, both after this."""

    def choose(self, asked: Asked, there: Sequence[int], now: float) -> int:
        """Take the least product."""
        hits = self.hits(asked)

        def cost(one: int) -> tuple[int, float]:
            new = max(1, asked.guess - hits[one])
            return (self.unread[one] + new) * (self.in_flight[one] + 1), self.dice.random()

        return min(there, key=cost)


cache_aware_library = partial(CacheAware2025, threshold=0.5, far=32, times=1.1)
cache_aware_program = partial(CacheAware2025, threshold=0.3, far=64, times=1.5)
