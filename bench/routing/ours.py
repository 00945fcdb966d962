"""Our router as a rule of the harness: the code of ``inference/routing`` and nothing beside it.

Prompts have no text here, so that the hashes of their prefixes are made from the names of their
blocks: two prompts share a hash if and only if their texts would. ``RealBytes`` makes the texts
and hashes them as a gateway does; a test holds that both choose alike.
"""

from __future__ import annotations

from collections.abc import Sequence

from bench.routing.requests import BLOCK_TOKENS, Asked
from bench.routing.rule import Ended, Forecast, Rule, Setting
from inference.contracts.decide import decide, mix
from inference.contracts.entries import Worker
from inference.contracts.policies import BALANCED, Policy
from inference.contracts.snapshot import Candidate, Wish
from inference.routing.demand import Demand
from inference.routing.placed import Placed
from inference.routing.sight import EVERY_S, Sight
from inference.routing.spans import ENDS, chain_of
from inference.routing.state import State

MICRO = 1_000_000
MODEL = "model"
SEED = 7
"""Of an installation: the same in all its gateways."""


class Ours(Rule):
    """The policy ``balanced``, as a gateway would run it."""

    policy: Policy = BALANCED
    sight_every = EVERY_S

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.workers = [
            Worker(f"worker-{number:03}", "", MODEL, (), slots=setting.slots, accelerator=one.kind)
            for number, one in enumerate(setting.machines)
        ]
        self.state = State()
        self._secret = self.dice.getrandbits(62)
        self._sight = Sight(self.state, f"gateway {self._secret}") if setting.gateways > 1 else None
        self._chosen: tuple[Demand, Wish, Candidate]
        self._forecast: Forecast | None = None
        self._placed: dict[int, Placed] = {}

    def choose(self, asked: Asked, there: Sequence[int], now: float) -> int:
        """Decide as a gateway does, over a snapshot of its state."""
        demand = self._demand(asked)
        wish = self.state.wish(demand, self.policy)
        among = [self.workers[one] for one in there]
        candidates = [Candidate(place, 0) for place in range(len(among))]
        self.state.describe(_us(now), demand, wish, among, candidates)
        self.state.price(candidates, self.policy)
        decided = decide(candidates, wish, self.policy, mix(self._secret ^ asked.number))
        terms = decided.terms[decided.chosen]
        self._chosen = demand, wish, candidates[decided.chosen]
        self._forecast = Forecast(terms.ttft_us / MICRO, terms.p90_us / MICRO)
        return there[decided.chosen]

    def placed(self, asked: Asked, worker: int, now: float) -> None:
        """Tell the state what was decided."""
        super().placed(asked, worker, now)
        demand, wish, candidate = self._chosen
        self._placed[asked.number] = self.state.place(
            _us(now), demand, wish, self.workers[worker], candidate
        )

    def first_token(self, asked: Asked, worker: int, now: float) -> None:
        """Tell the state that the answer begins."""
        self.state.answered(_us(now), self._placed[asked.number])

    def ended(self, asked: Asked, worker: int, now: float, known: Ended) -> None:
        """Tell the state what the engine's usage says."""
        super().ended(asked, worker, now, known)
        placed = self._placed.pop(asked.number)
        self.state.counted(placed, known.prompt, known.cached)
        self.state.ended(_us(now), placed, known.output)

    def failed(self, asked: Asked, worker: int, now: float) -> None:
        """Tell the state that a worker failed."""
        super().failed(asked, worker, now)
        self.state.failed(_us(now), self._placed.pop(asked.number))

    def tell(self, now: float) -> object:
        """Say what the gateway would lay into the shared file."""
        return self._sight.tell(_us(now)) if self._sight is not None else None

    def hear(self, sender: int, said: object, now: float) -> None:
        """Read what another has laid there."""
        if self._sight is not None and isinstance(said, bytes):
            self._sight.hear(_us(now), said)

    def forecast(self, asked: Asked) -> Forecast | None:
        """Return what the decision said of the worker it chose."""
        return self._forecast

    def chain(self, asked: Asked) -> list[int]:
        """Return hashes of the prompt's prefixes, made from the names of its blocks."""
        block = BLOCK_TOKENS * asked.size / asked.prompt
        found = []
        for place, end in enumerate(ENDS):
            if end > asked.size:
                break
            last = int(-(-end // block)) - 1
            name = asked.blocks[last] if last < len(asked.blocks) else -1 - asked.number
            found.append(mix(name * len(ENDS) + place))
        return found

    def _demand(self, asked: Asked) -> Demand:
        demand = Demand(f"project {asked.project}", MODEL, asked.size, self.chain(asked))
        if asked.target is not None:
            demand.ttft_us = _us(asked.target.ttft_s)
            demand.tpot_us = _us(asked.target.tpot_s)
        return demand


class RealBytes(Ours):
    """The same, over texts as a gateway reads them."""

    def chain(self, asked: Asked) -> list[int]:
        """Return the hashes of the prompt's text."""
        text = memoryview(text_of(asked))
        return chain_of(SEED, f"project {asked.project}", MODEL, (), text)


def text_of(asked: Asked) -> bytes:
    """Write a prompt: each block says its name again and again, what is left the request's."""
    block = int(BLOCK_TOKENS * asked.size / asked.prompt)
    parts = [_filled(f"{name:x} ", block) for name in asked.blocks]
    parts.append(_filled(f"rest of {asked.number} ", max(0, asked.size - block * len(parts))))
    return b"".join(parts)


def _filled(word: str, size: int) -> bytes:
    return (word.encode() * (size // len(word) + 1))[:size]


def _us(seconds: float) -> int:
    return round(seconds * MICRO)
