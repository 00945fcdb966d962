"""One model on one machine: which requests a step works on, and how long it takes; pure.

Continuous batching with chunked prefill: a step makes one token for each request that has
read its prompt, and reads on in the others as far as the budget goes, first come, first served.
Steps that only make tokens may be taken in one leap: their times are an arithmetic series.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from math import ceil, sqrt

from xim.sim.cache import BLOCK_TOKENS, Cache


@dataclass(frozen=True, slots=True)
class Speed:
    """What a step takes, in seconds, and what a machine holds."""

    base: float
    sequence: float
    kv_token: float
    prompt_token: float
    attention: float
    kv_tokens: int
    budget: int = 2048
    sequences: int = 256


SPEEDS = {
    "fast": Speed(6e-3, 0.15e-3, 25e-9, 1 / 12_000, 3e-9, 1_500_000),
    "slow": Speed(18e-3, 0.4e-3, 60e-9, 1 / 4_500, 8e-9, 750_000),
}


@dataclass(slots=True, eq=False)
class Request:
    """A request in the batch."""

    blocks: tuple[int, ...]
    prompt: int
    output: int
    cached: int = 0
    read: int = 0
    made: int = 0
    own: int = field(default=0, repr=False)
    held: tuple[int, ...] = field(default=(), repr=False)

    @property
    def has_read(self) -> bool:
        """Say whether its prompt is read."""
        return self.read >= self.prompt

    @property
    def is_done(self) -> bool:
        """Say whether its answer is whole."""
        return self.made >= self.output


@dataclass(frozen=True, slots=True)
class Step:
    """What one step did."""

    seconds: float
    made: tuple[Request, ...]


class Batch:
    """All requests of a model, waiting and running."""

    def __init__(self, speed: Speed, *, block_tokens: int = BLOCK_TOKENS) -> None:
        self.speed = speed
        self.block_tokens = block_tokens
        self.cache = Cache(speed.kv_tokens, block_tokens)
        self.waiting: deque[Request] = deque()
        self.running: list[Request] = []
        self.tokens = 0

    def arrive(self, request: Request) -> None:
        """Take a request; it waits its turn."""
        self.waiting.append(request)

    def leave(self, request: Request) -> None:
        """Forget a request, wherever it is."""
        if request in self.running:
            self.running.remove(request)
            self.cache.release(request.held, request.own)
        elif request in self.waiting:
            self.waiting.remove(request)

    def fits(self, prompt: int, output: int) -> bool:
        """Say whether a request could ever run here."""
        return prompt + output <= self.speed.kv_tokens

    def step(self) -> Step | None:
        """Work once; None if there is nothing to do."""
        self._admit()
        if not self.running:
            return None
        decoding = [one for one in self.running if one.read >= one.prompt]
        seconds = self._decoding(decoding)
        reading = [one for one in self.running if one.read < one.prompt]
        budget = max(self.block_tokens, self.speed.budget - len(decoding))
        for one in reading:
            piece = min(budget, one.prompt - one.read)
            budget -= piece
            seconds += self.speed.prompt_token * piece + self.speed.attention * piece * one.read
            one.read += piece
        finished = [one for one in reading if one.has_read]
        for one in finished:
            self._share(one)
        return Step(seconds, tuple(self._make([*decoding, *finished], 1)))

    def alike(self) -> int:
        """Return how many steps from now on will each make one token for the same requests.

        None while a prompt is read. Whoever waits by then waits for one of them to end.
        """
        self._admit()
        if not self.running or any(one.read < one.prompt for one in self.running):
            return 0
        return min(one.output - one.made for one in self.running)

    def seconds_of(self, steps: int) -> float:
        """Return how long so many steps that are alike take."""
        growth = self.speed.kv_token * len(self.running)
        return steps * self._decoding(self.running) + growth * (steps * (steps - 1) / 2)

    def steps_in(self, seconds: float) -> int:
        """Return the least number of steps that are alike and take so long, or longer."""
        growth = self.speed.kv_token * len(self.running)
        first = self._decoding(self.running) - growth / 2
        root = sqrt(first * first + 2 * growth * seconds)
        # Citardauq's form of the root: growth may be nothing.
        return max(1, ceil(2 * seconds / (first + root) - 1e-9))

    def leap(self, steps: int) -> Step:
        """Take so many steps that are alike, at once."""
        seconds = self.seconds_of(steps)
        return Step(seconds, tuple(self._make(list(self.running), steps)))

    def _decoding(self, requests: list[Request]) -> float:
        kv = sum([one.prompt + one.made for one in requests])
        return self.speed.base + self.speed.sequence * len(requests) + self.speed.kv_token * kv

    def _make(self, requests: list[Request], tokens: int) -> list[Request]:
        self.tokens += tokens * len(requests)
        for one in requests:
            one.made += tokens
            if one.made >= one.output:
                self.leave(one)
        return requests

    def _admit(self) -> None:
        while self.waiting and len(self.running) < self.speed.sequences:
            one = self.waiting[0]
            # The last token is always read anew: without it there is nothing to go on from.
            known = min(self.cache.matched(one.blocks), (one.prompt - 1) // self.block_tokens)
            held = one.blocks[:known]
            own = one.prompt - known * self.block_tokens + one.output
            if not self.cache.reserve(held, own):
                return
            one.held, one.own = held, own
            one.cached = one.read = known * self.block_tokens
            self.running.append(self.waiting.popleft())

    def _share(self, one: Request) -> None:
        fresh = one.blocks[len(one.held) :]
        self.cache.share(fresh)
        one.own -= len(fresh) * self.block_tokens
        one.held = one.blocks
